//! Tools answered in this process.

use std::sync::Arc;

use alacena::{
    Alacena, Ask, DeclaredRead,
    declared::Parameters,
    error::{Error, catalogue},
    runtime::BoxFuture,
};

use super::{Tool, ToolCall, ToolResult, Tools};

/// The declared reads of an [`Alacena`] of this process, as tools.
#[derive(Clone)]
pub struct LocalTools(Alacena);

impl LocalTools {
    /// The declared reads of `alacena`.
    #[must_use]
    pub fn new(alacena: Alacena) -> Self {
        Self(alacena)
    }

    async fn answer(read: &DeclaredRead, call: &ToolCall) -> Result<ToolResult, Error> {
        let given = call.arguments.iter().map(|(name, value)| (name.as_str(), value));
        let parameters = Parameters::from_json(&read.parameters, given)?;
        let ask = Ask { credentials: Arc::clone(&call.credentials), ..Ask::default() };
        let outcome = read.ask(parameters, ask).await?;
        Ok(match outcome.value() {
            Some(body) => ToolResult::found(body, &outcome),
            None => {
                let detail = format!("the source of `{}` has nothing under these parameters", read.name);
                ToolResult::failed(&Error::new(&catalogue::ABSENT, detail)).with_cache_facts(&outcome)
            }
        })
    }
}

impl Tools for LocalTools {
    fn list(&self) -> BoxFuture<'_, Result<Vec<Tool>, Error>> {
        let reads = self.0.reads();
        let tools = reads.iter().map(|read| Tool::of(read));
        Box::pin(std::future::ready(Ok(tools.collect())))
    }

    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Tool>, Error>> {
        let read = self.0.declared_read(name).ok();
        Box::pin(std::future::ready(Ok(read.map(|read| Tool::of(&read)))))
    }

    fn call(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolResult, Error>> {
        Box::pin(async move {
            let read = self.0.declared_read(&call.name)?;
            Ok(Self::answer(&read, &call).await.unwrap_or_else(|error| ToolResult::failed(&error)))
        })
    }
}
