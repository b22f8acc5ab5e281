//! Reads that insist on what their asker has changed.

use crate::{
    dep::Dep,
    engine::{Change, Engine, Question},
    error::{Error, catalogue},
    tier::{After, EntryName, MarkerId},
};

impl Engine {
    /// What an invalidation of these was about, as text: for whoever reads after it, on any node, to
    /// [send back](Engine::after). `None` where no other node could answer with anything from before.
    #[must_use]
    pub fn token_after(&self, changes: &[Change<'_>], entries: &[EntryName]) -> Option<String> {
        let second = self.0.second.get()?;
        let deps = changes.iter().filter_map(|change| match change {
            Change::Dep(dep) => Some(second.names.marker(dep)),
            Change::Key(_) => None,
        });
        let buckets = entries.iter().map(|entry| entry.id().bucket_marker());
        let mut markers = deps.chain(buckets).peekable();
        markers.peek()?;
        Some(After::new(second.server_millis(), markers).to_text(&second.names))
    }

    /// What somebody has sent back; `None` where that insists on nothing: its time is over, or there is no second tier.
    ///
    /// # Errors
    /// `Invalid` where no node with the secret of this one has made it.
    pub fn after(&self, token: &str) -> Result<Option<After>, Error> {
        let Some(second) = self.0.second.get() else { return Ok(None) };
        match After::from_text(token, &second.names) {
            Some(after) => Ok((!after.is_over(second.server_millis())).then_some(after)),
            None => {
                let detail = "`Alacena-After` is no token of a node with the secret of this one";
                Err(Error::new(&catalogue::PARAMETER_INVALID, detail))
            }
        }
    }

    /// The question, [insisting](Question::insisting) where any of these is about what its answer depends on.
    #[must_use]
    pub fn asked_after(&self, question: Question, after: &[After]) -> Question {
        let Some(second) = self.0.second.get().filter(|_| !after.is_empty()) else { return question };
        let entry = [second.names.entry(&question.key).bucket_marker()];
        let mut markers = question.deps().map(|dep: &Dep| second.names.marker(dep)).chain(entry);
        let is_concerned = markers.any(|marker: MarkerId| after.iter().any(|after| after.is_about(marker)));
        drop(markers);
        if is_concerned { question.insisting() } else { question }
    }
}

impl super::Second {
    /// Now, on the clock by which nodes date what they tell each other.
    fn server_millis(&self) -> u64 {
        self.posts.first().map_or(0, |post| post.shard.server_millis())
    }
}
