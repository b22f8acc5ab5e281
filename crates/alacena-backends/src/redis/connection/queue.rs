//! What is on its way: the bytes to be sent, the answers to come, and who waits for them.
//!
//! ```text
//!   callers ── encode ──► unsent ──────────► the socket
//!      │                                        │
//!      ├── expected: [call, call, –, call] ◄────┘ answers, strictly in this order
//!      └── calls: waiting │ done
//! ```
//!
//! An expected answer stays in its place whatever becomes of its caller: one that went away or gave up has `–` there,
//! and its answer is swallowed. So nobody ever gets the answer of somebody else.

use std::{collections::VecDeque, mem, sync::Arc, task::Waker, time::Duration};

use alacena_core::runtime::Moment;

use super::{
    super::resp::{Command, Frame},
    Cause, Failure, Refusal,
    metering::Metering,
};

/// How much may be on its way on one connection; beyond it, a call fails at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// Commands without an answer; 4,096 by default. A pipeline of more can never be sent.
    pub commands_max: usize,
    /// Bytes that are not written yet; 64 MiB by default.
    pub unsent_bytes_max: usize,
}

impl Default for InFlight {
    fn default() -> Self {
        Self { commands_max: 4_096, unsent_bytes_max: 64 * 1024 * 1024 }
    }
}

/// The state that callers and the connection's task share.
pub(super) struct Queue {
    limits: InFlight,
    /// How old the oldest expected answer may become.
    silence_max: Duration,
    /// Encoded commands that the task has not taken yet, and the position in the stream behind them.
    unsent: Vec<u8>,
    end: u64,
    /// Bytes that the task has taken and not written yet.
    writing: usize,
    /// The calls whose answers are to come, in order, and how many commands they are.
    expected: VecDeque<Expected>,
    commands: usize,
    /// Who asked and has not fetched the answer; `free` names the places that nobody has.
    calls: Vec<Call>,
    free: Vec<u32>,
    /// How many answers came together last: so many may be about to ask again.
    crowd: usize,
    /// No caller gives up before this moment, and the oldest answer is not too old before it.
    quiet_until: Moment,
    /// The task, while it sleeps.
    task: Option<Waker>,
    /// Why nothing can be asked any more.
    ended: Option<Failure>,
    /// Counts what is asked, where that is paid for.
    metering: Option<Arc<Metering>>,
}

struct Expected {
    /// Who gets the answers; nobody, if the caller has gone away or given up.
    call: Option<u32>,
    /// How many of them are missing.
    missing: u32,
    is_pipeline: bool,
    /// Whether the first of them is to be a push, which something in between may take away.
    subscribes: bool,
    since: Moment,
    /// When the caller gives up.
    until: Moment,
    /// Where the call begins in the stream.
    begins: u64,
}

enum Call {
    Free,
    Waiting(Option<Waker>),
    Done(Answer),
}

/// What a call comes to.
pub(super) type Answer = Result<Answered, Failure>;

/// The answer to a command, or the answers to a pipeline.
pub(super) enum Answered {
    One(Frame),
    Many(Vec<Result<Frame, Refusal>>),
}

/// What has come of a change, to be seen to once the lock has been given back.
#[derive(Default)]
pub(super) struct Aftermath {
    wakers: Vec<Waker>,
    /// Answers to those who are not there any more.
    swallowed: Vec<Answer>,
}

impl Aftermath {
    /// Wakes whoever has been answered.
    pub(super) fn settle(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
        self.swallowed.clear();
    }
}

impl Queue {
    pub(super) fn new(limits: InFlight, silence_max: Duration, metering: Option<Arc<Metering>>) -> Self {
        Self {
            limits,
            silence_max,
            unsent: Vec::new(),
            end: 0,
            writing: 0,
            expected: VecDeque::new(),
            commands: 0,
            calls: Vec::new(),
            free: Vec::new(),
            crowd: 0,
            quiet_until: Moment::NEVER,
            task: None,
            ended: None,
            metering,
        }
    }

    /// Queues `commands` back to back and names the place where their answer is to be fetched. Whether they are a
    /// pipeline decides on its form.
    pub(super) fn ask(
        &mut self,
        commands: &[Command],
        is_pipeline: bool,
        now: Moment,
        within: Duration,
    ) -> Result<u32, Failure> {
        if let Some(failure) = &self.ended {
            return Err(failure.clone());
        }
        let bytes: usize = commands.iter().map(Command::bytes_max).sum();
        if self.commands + commands.len() > self.limits.commands_max
            || self.unsent.len() + self.writing + bytes > self.limits.unsent_bytes_max
        {
            return Err(Failure::Overloaded);
        }
        if self.metering.as_ref().is_some_and(|metering| !metering.take(commands.len())) {
            return Err(Failure::Spent);
        }
        let (begins, before) = (self.end, self.unsent.len());
        self.unsent.reserve(bytes);
        for command in commands {
            command.write(&mut self.unsent);
        }
        self.end += (self.unsent.len() - before) as u64;
        self.commands += commands.len();
        let until = now + within;
        self.quiet_until = self.quiet_until.min(until).min(now + self.silence_max);
        let call = self.place();
        let missing = u32::try_from(commands.len()).expect("commands_max is far below");
        self.expected.push_back(Expected {
            call: Some(call),
            missing,
            is_pipeline,
            subscribes: is_pipeline && commands.len() > 1 && commands[0].is_subscription(),
            since: now,
            until,
            begins,
        });
        Ok(call)
    }

    fn place(&mut self) -> u32 {
        if let Some(free) = self.free.pop() {
            self.calls[free as usize] = Call::Waiting(None);
            return free;
        }
        self.calls.push(Call::Waiting(None));
        u32::try_from(self.calls.len() - 1).expect("so many callers do not fit into memory")
    }

    /// The answer to a call, once it is there; until then, it will wake `waker`.
    pub(super) fn fetch(&mut self, call: u32, waker: &Waker) -> Option<Answer> {
        match &mut self.calls[call as usize] {
            Call::Waiting(Some(known)) if known.will_wake(waker) => None,
            Call::Waiting(known) => {
                *known = Some(waker.clone());
                None
            }
            Call::Free | Call::Done(_) => self.vacate(call),
        }
    }

    /// The caller goes away. What it would have got is handed back, to be dropped without the lock.
    pub(super) fn forget(&mut self, call: u32) -> Option<Answer> {
        let answer = self.vacate(call);
        if answer.is_none() {
            // Looked for, since hardly anybody goes away while waiting.
            let mine = self.expected.iter_mut().find(|expected| expected.call == Some(call));
            mine.expect("an answer is expected for whoever waits").call = None;
        }
        answer
    }

    fn vacate(&mut self, call: u32) -> Option<Answer> {
        self.free.push(call);
        match mem::replace(&mut self.calls[call as usize], Call::Free) {
            Call::Done(answer) => Some(answer),
            Call::Free | Call::Waiting(_) => None,
        }
    }

    /// Hands answers to whoever is next, where `written` bytes of the stream have been sent. `gathered` keeps, from one
    /// time to the next, the first answers of a pipeline that is not complete.
    pub(super) fn deliver(
        &mut self,
        answers: &mut Vec<Frame>,
        written: u64,
        gathered: &mut Vec<Result<Frame, Refusal>>,
        after: &mut Aftermath,
    ) -> Result<(), Cause> {
        self.crowd = answers.len();
        for frame in answers.drain(..) {
            // An answer to what has not been sent is the answer to something else.
            let Some(next) = self.expected.front_mut().filter(|next| next.begins < written) else {
                return Err(Cause::unasked(&frame));
            };
            match (mem::take(&mut next.subscribes), &frame) {
                (true, Frame::Push(_) | Frame::Error(_)) => {}
                // The answer to what comes behind: nothing will come of this one any more.
                (true, _) => {
                    gathered.push(Ok(Frame::Null));
                    next.missing -= 1;
                    self.commands -= 1;
                }
                (false, Frame::Push(_)) => return Err(Cause::Unasked),
                (false, _) => {}
            }
            next.missing -= 1;
            self.commands -= 1;
            let answer = match (next.is_pipeline, frame) {
                (false, Frame::Error(text)) => Err(Failure::Refused(Refusal::new(&text))),
                (false, frame) => Ok(Answered::One(frame)),
                (true, frame) => {
                    gathered.push(match frame {
                        Frame::Error(text) => Err(Refusal::new(&text)),
                        frame => Ok(frame),
                    });
                    if next.missing > 0 {
                        continue;
                    }
                    Ok(Answered::Many(mem::take(gathered)))
                }
            };
            let call = next.call;
            self.expected.pop_front();
            self.complete(call, answer, after);
        }
        Ok(())
    }

    fn complete(&mut self, call: Option<u32>, answer: Answer, after: &mut Aftermath) {
        let Some(call) = call else {
            after.swallowed.push(answer);
            return;
        };
        if let Call::Waiting(Some(waker)) = mem::replace(&mut self.calls[call as usize], Call::Done(answer)) {
            after.wakers.push(waker);
        }
    }

    /// Lets those give up whose time is over. When that is to be looked at again; the cause, if the oldest answer is
    /// too old.
    pub(super) fn expire(&mut self, now: Moment, after: &mut Aftermath) -> Result<Moment, Cause> {
        if now < self.quiet_until {
            return Ok(self.quiet_until);
        }
        let oldest = self.expected.front().map_or(Moment::NEVER, |oldest| oldest.since + self.silence_max);
        if oldest <= now {
            return Err(Cause::Silent);
        }
        self.quiet_until = oldest;
        for at in 0..self.expected.len() {
            let expected = &mut self.expected[at];
            if expected.call.is_none() {
                continue;
            }
            if expected.until > now {
                self.quiet_until = self.quiet_until.min(expected.until);
                continue;
            }
            let call = expected.call.take();
            self.complete(call, Err(Failure::TimedOut), after);
        }
        Ok(self.quiet_until)
    }

    /// Whether there is anything to be sent.
    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Whether there are several callers, so that more of them may ask in this moment. Two calls can be those of one caller,
    /// who asks nothing more before they are answered.
    pub(super) fn is_shared(&self) -> bool {
        self.expected.len() > 2 || self.crowd > 2
    }

    /// Takes what is to be sent into `buffer`, which is empty; whether there was anything.
    pub(super) fn take_unsent(&mut self, buffer: &mut Vec<u8>) -> bool {
        mem::swap(&mut self.unsent, buffer);
        self.writing = buffer.len();
        self.writing > 0
    }

    /// Says how many of the bytes that were taken are not written yet.
    pub(super) fn set_writing(&mut self, bytes: usize) {
        self.writing = bytes;
    }

    /// The task goes to sleep until somebody asks something; until when nobody gives up.
    pub(super) fn sleep(&mut self, task: &Waker) -> Moment {
        self.task = Some(task.clone());
        self.quiet_until
    }

    /// The task, to be woken, where it sleeps.
    pub(super) fn rouse(&mut self) -> Option<Waker> {
        self.task.take()
    }

    /// Why nothing can be asked any more, where that is so.
    pub(super) fn ended(&self) -> Option<Cause> {
        self.ended.as_ref().map(|failure| match failure {
            Failure::Down(Some(cause)) => cause.clone(),
            _ => Cause::Closed,
        })
    }

    /// Refuses everything from now on as `failure` says, unless it is refused already; how it is.
    pub(super) fn end(&mut self, failure: Failure) -> Failure {
        self.ended.get_or_insert(failure).clone()
    }

    /// Fails everybody who still waits: with `lost`, or with `unsent` where nothing of the call has been sent.
    pub(super) fn fail_all(&mut self, lost: &Failure, unsent: &Failure, written: u64, after: &mut Aftermath) {
        for expected in mem::take(&mut self.expected) {
            if expected.call.is_some() {
                let failure = if expected.begins < written { lost } else { unsent };
                self.complete(expected.call, Err(failure.clone()), after);
            }
        }
        (self.unsent, self.writing, self.commands) = (Vec::new(), 0, 0);
    }
}

#[cfg(test)]
mod tests;
