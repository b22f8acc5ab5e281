use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Wake,
};

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const START: Moment = Moment::ORIGIN;

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn queue() -> Queue {
    Queue::new(InFlight::default(), SECOND, None)
}

fn ping() -> Command {
    Command::new("PING")
}

/// Answers with these numbers, everything having been sent.
fn deliver(queue: &mut Queue, numbers: impl IntoIterator<Item = i64>) -> Result<(), Cause> {
    let mut answers = numbers.into_iter().map(Frame::Integer).collect();
    queue.deliver(&mut answers, queue.end, &mut Vec::new(), &mut Aftermath::default())
}

fn fetch(queue: &mut Queue, call: u32) -> Option<Result<Frame, Failure>> {
    queue.fetch(call, Waker::noop()).map(|answer| {
        answer.map(|answered| match answered {
            Answered::One(frame) => frame,
            Answered::Many(_) => panic!("it was one command"),
        })
    })
}

#[test]
fn an_answer_to_what_has_not_been_sent_is_nobodys() {
    let mut queue = queue();
    let sent = queue.ask(&[ping()], false, START, SECOND).unwrap();
    let written = queue.end;
    let unsent = queue.ask(&[ping()], false, START, SECOND).unwrap();
    let mut answers = vec![Frame::Integer(1), Frame::Integer(2)];
    let delivered = queue.deliver(&mut answers, written, &mut Vec::new(), &mut Aftermath::default());
    assert_eq!(delivered, Err(Cause::Unasked));
    assert_eq!(fetch(&mut queue, sent), Some(Ok(Frame::Integer(1))));
    assert_eq!(fetch(&mut queue, unsent), None);
    assert_eq!(deliver(&mut queue, [2, 3]), Err(Cause::Unasked), "the second answers nothing");
}

#[test]
fn what_is_too_much_is_refused_at_once_and_taken_once_there_is_room() {
    let limits = InFlight { commands_max: 2, unsent_bytes_max: 100 };
    let mut queue = Queue::new(limits, SECOND, None);
    assert!(matches!(queue.ask(&[ping(), ping(), ping()], true, START, SECOND), Err(Failure::Overloaded)));
    let large = Command::new("ECHO").arg([0; 100]);
    assert!(matches!(queue.ask(&[large], false, START, SECOND), Err(Failure::Overloaded)));
    let call = queue.ask(&[ping()], false, START, SECOND).unwrap();
    queue.ask(&[ping()], false, START, SECOND).unwrap();
    assert!(matches!(queue.ask(&[ping()], false, START, SECOND), Err(Failure::Overloaded)));
    // A caller that goes away makes no room: its answer is still to come.
    queue.forget(call);
    assert!(matches!(queue.ask(&[ping()], false, START, SECOND), Err(Failure::Overloaded)));
    deliver(&mut queue, [1]).unwrap();
    queue.ask(&[ping()], false, START, SECOND).expect("one has been answered");
}

#[test]
fn bytes_that_are_taken_and_not_written_count() {
    let mut queue = Queue::new(InFlight { unsent_bytes_max: 50, ..InFlight::default() }, SECOND, None);
    queue.ask(&[ping()], false, START, SECOND).unwrap();
    let mut buffer = Vec::new();
    assert!(queue.take_unsent(&mut buffer));
    assert!(queue.ask(&[ping()], false, START, SECOND).is_ok());
    assert!(matches!(queue.ask(&[ping()], false, START, SECOND), Err(Failure::Overloaded)));
    queue.set_writing(0);
    assert!(queue.ask(&[ping()], false, START, SECOND).is_ok());
}

#[test]
fn whoever_gives_up_is_woken_once_and_its_answer_is_swallowed() {
    let mut queue = queue();
    let millis = Duration::from_millis;
    let late = queue.ask(&[ping()], false, START, millis(50)).unwrap();
    let patient = queue.ask(&[ping()], false, START, millis(500)).unwrap();
    let bell = Arc::new(Bell::default());
    assert!(queue.fetch(late, &Arc::clone(&bell).into()).is_none());
    let mut after = Aftermath::default();
    assert_eq!(queue.expire(START + millis(49), &mut after), Ok(START + millis(50)));
    assert_eq!(queue.expire(START + millis(50), &mut after), Ok(START + millis(500)));
    after.settle();
    assert_eq!(bell.0.load(Ordering::Relaxed), 1);
    assert_eq!(fetch(&mut queue, late), Some(Err(Failure::TimedOut)));
    // Its place goes to somebody else while its answer is still to come.
    let next = queue.ask(&[ping()], false, START + millis(60), SECOND).unwrap();
    assert_eq!(next, late);
    deliver(&mut queue, [1, 2, 3]).unwrap();
    assert_eq!(fetch(&mut queue, patient), Some(Ok(Frame::Integer(2))));
    assert_eq!(fetch(&mut queue, next), Some(Ok(Frame::Integer(3))));
}

#[test]
fn silence_is_counted_from_the_oldest_command_even_if_nobody_waits_for_it() {
    let mut queue = queue();
    let call = queue.ask(&[ping()], false, START, Duration::from_millis(50)).unwrap();
    queue.forget(call);
    let mut after = Aftermath::default();
    assert_eq!(queue.expire(START + Duration::from_millis(50), &mut after), Ok(START + SECOND));
    queue.ask(&[ping()], false, START + Duration::from_millis(900), SECOND).unwrap();
    assert_eq!(queue.expire(START + SECOND, &mut after), Err(Cause::Silent));
    deliver(&mut queue, [1]).unwrap();
    assert_eq!(queue.expire(START + SECOND, &mut after), Ok(START + Duration::from_millis(1900)));
    deliver(&mut queue, [2]).unwrap();
    assert_eq!(queue.expire(START + SECOND * 2, &mut after), Ok(Moment::NEVER), "nothing is expected");
}

#[test]
fn at_the_end_what_was_not_sent_is_told_from_what_may_have_been_done() {
    let mut queue = queue();
    let sent = queue.ask(&[ping()], false, START, SECOND).unwrap();
    let written = queue.end;
    let unsent = queue.ask(&[ping()], false, START, SECOND).unwrap();
    let down = queue.end(Failure::of_end(&Cause::Ended));
    queue.fail_all(&Failure::Lost(Cause::Ended), &down, written, &mut Aftermath::default());
    assert_eq!(fetch(&mut queue, sent), Some(Err(Failure::Lost(Cause::Ended))));
    assert_eq!(fetch(&mut queue, unsent), Some(Err(Failure::Down(Some(Cause::Ended)))));
    assert_eq!(queue.ask(&[ping()], false, START, SECOND), Err(Failure::Down(Some(Cause::Ended))));
}

#[derive(Clone, Debug)]
enum Step {
    Ask(usize),
    Forget(usize),
    GiveUp,
    Answer(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1_usize..4).prop_map(Step::Ask),
        2 => (0_usize..8).prop_map(Step::Forget),
        1 => Just(Step::GiveUp),
        3 => (1_usize..5).prop_map(Step::Answer),
    ];
    proptest::collection::vec(step, 1..80)
}

proptest! {
    /// Whoever asks, goes away or gives up, in whatever order: nobody gets an answer to somebody else's question.
    #[test]
    fn every_answer_reaches_the_one_who_asked(steps in steps()) {
        let mut queue = Queue::new(InFlight::default(), SECOND * 1000, None);
        let (mut asked, mut answered, mut gathered) = (0_i64, 0_i64, Vec::new());
        let mut waiting: Vec<(u32, Vec<i64>)> = Vec::new();
        let mut now = START;
        for step in steps.into_iter().chain([Step::Answer(1000)]) {
            match step {
                Step::Ask(commands) => {
                    let numbers: Vec<i64> = (asked..).take(commands).collect();
                    asked += commands as i64;
                    let call = queue.ask(&vec![ping(); commands], true, now, SECOND).unwrap();
                    prop_assert!(waiting.iter().all(|(other, _)| *other != call), "one place, two callers");
                    waiting.push((call, numbers));
                }
                Step::Forget(at) if at < waiting.len() => {
                    queue.forget(waiting.remove(at).0);
                }
                Step::Forget(_) => {}
                Step::GiveUp => {
                    now = now + SECOND;
                    queue.expire(now, &mut Aftermath::default()).unwrap();
                    for (call, _) in waiting.drain(..) {
                        let answer = queue.fetch(call, Waker::noop());
                        prop_assert!(matches!(answer, Some(Err(Failure::TimedOut) | Ok(_))));
                    }
                }
                Step::Answer(count) => {
                    let count = (count as i64).min(asked - answered);
                    let mut frames: Vec<_> = (answered..answered + count).map(Frame::Integer).collect();
                    answered += count;
                    let written = queue.end;
                    queue.deliver(&mut frames, written, &mut gathered, &mut Aftermath::default()).unwrap();
                }
            }
            let mut left = Vec::new();
            for (call, numbers) in waiting {
                match queue.fetch(call, Waker::noop()) {
                    None => {
                        prop_assert!(numbers.last() >= Some(&answered), "it has all been answered");
                        left.push((call, numbers));
                    }
                    Some(Ok(Answered::Many(got))) => {
                        let wanted: Vec<_> = numbers.into_iter().map(|number| Ok(Frame::Integer(number))).collect();
                        prop_assert_eq!(got, wanted);
                    }
                    Some(_) => prop_assert!(false, "a pipeline has a list of answers"),
                }
            }
            waiting = left;
        }
        prop_assert!(waiting.is_empty() && queue.commands == 0 && queue.expected.is_empty());
    }
}

/// The confirmation of a subscription is a push, which a proxy may take away: what comes behind is then the answer to what
/// was asked behind.
#[test]
fn a_subscription_whose_confirmation_never_comes_shifts_no_answer() {
    let text = |text: &'static str| Frame::Bulk(text.into());
    let both = [Command::new("SUBSCRIBE").arg("news"), Command::new("ECHO").arg("7")];
    let push = || Frame::Push(vec![text("subscribe"), text("news"), Frame::Integer(1)]);
    for (frames, first) in [
        (vec![push(), text("7")], Ok(push())),
        (vec![text("7")], Ok(Frame::Null)),
        (vec![Frame::Error("NOPERM no".into()), text("7")], Err(())),
    ] {
        let mut queue = queue();
        let call = queue.ask(&both, true, START, SECOND).unwrap();
        let next = queue.ask(&[ping()], false, START, SECOND).unwrap();
        let mut answers = frames;
        answers.push(Frame::Simple("PONG".into()));
        queue.deliver(&mut answers, u64::MAX, &mut Vec::new(), &mut Aftermath::default()).unwrap();
        let Some(Ok(Answered::Many(replies))) = queue.fetch(call, Waker::noop()) else {
            panic!("it has been answered")
        };
        assert_eq!(replies[0].clone().map_err(drop), first);
        assert_eq!(replies[1], Ok(text("7")));
        assert!(matches!(queue.fetch(next, Waker::noop()), Some(Ok(Answered::One(Frame::Simple(_))))));
    }
    // One that nobody has asked for ends the connection.
    let mut queue = queue();
    queue.ask(&[ping()], false, START, SECOND).unwrap();
    let unasked = queue.deliver(&mut vec![push()], u64::MAX, &mut Vec::new(), &mut Aftermath::default());
    assert_eq!(unasked, Err(Cause::Unasked));
}
