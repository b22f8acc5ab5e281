//! Tasks that are ready, tasks that wait, and those of machines that stand still.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    task::{Wake, Waker},
};

use alacena_core::runtime::BoxFuture;
use parking_lot::Mutex;

use super::runtime::Machine;
use crate::Chance;

/// Names a task; none is used twice.
pub(super) type TaskId = u64;

#[derive(Default)]
pub(super) struct Tasks {
    next: TaskId,
    all: BTreeMap<TaskId, Task>,
    stopped: BTreeSet<Machine>,
    awake: Arc<Awake>,
}

struct Task {
    machine: Machine,
    /// `None` while it is polled.
    future: Option<BoxFuture<'static, ()>>,
    waker: Waker,
}

/// Guards the tasks that have been woken, for a few instructions.
#[derive(Default)]
struct Awake(Mutex<BTreeSet<TaskId>>);

struct Alarm {
    id: TaskId,
    awake: Arc<Awake>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.awake.0.lock().insert(self.id);
    }
}

impl Tasks {
    /// Takes a task in, ready.
    pub(super) fn spawn(&mut self, machine: Machine, future: BoxFuture<'static, ()>) -> TaskId {
        let id = self.next;
        self.next += 1;
        let waker = Waker::from(Arc::new(Alarm { id, awake: self.awake.clone() }));
        waker.wake_by_ref();
        self.all.insert(id, Task { machine, future: Some(future), waker });
        id
    }

    /// One of those that are ready and may run, to be polled and given back.
    pub(super) fn choose(&mut self, chance: &mut Chance) -> Option<(TaskId, BoxFuture<'static, ()>, Waker)> {
        let mut awake = self.awake.0.lock();
        // A task that has ended can still be woken.
        awake.retain(|id| self.all.contains_key(id));
        let may_run = |id: &&TaskId| !self.stopped.contains(&self.all[*id].machine);
        let ready = awake.iter().filter(may_run).count();
        let id = match ready {
            0 => return None,
            ready => *awake.iter().filter(may_run).nth(chance.below(ready))?,
        };
        awake.remove(&id);
        drop(awake);
        let task = self.all.get_mut(&id)?;
        Some((id, task.future.take()?, task.waker.clone()))
    }

    /// Gives a task back that has not ended. One whose machine is gone meanwhile is handed out again, to be dropped.
    pub(super) fn put_back(
        &mut self,
        id: TaskId,
        future: BoxFuture<'static, ()>,
    ) -> Option<BoxFuture<'static, ()>> {
        match self.all.get_mut(&id) {
            Some(task) => {
                task.future = Some(future);
                None
            }
            None => Some(future),
        }
    }

    pub(super) fn end(&mut self, id: TaskId) {
        self.all.remove(&id);
    }

    /// From now on no task of this machine runs, or all may again.
    pub(super) fn set_stopped(&mut self, machine: Machine, stopped: bool) {
        if stopped {
            self.stopped.insert(machine);
        } else {
            self.stopped.remove(&machine);
        }
    }

    /// Takes out every task of this machine, to be dropped.
    pub(super) fn kill(&mut self, machine: Machine) -> Vec<BoxFuture<'static, ()>> {
        self.stopped.remove(&machine);
        let killed = self.all.extract_if(.., |_, task| task.machine == machine);
        killed.filter_map(|(_, task)| task.future).collect()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}
