//! How a host loads tools.

use crate::digest::ToolDigest;
use crate::run::handle::Tool;
use crate::runtime::Runtime;
use crate::tool::Compiled;
use crate::tool::checks::Admissible;
use crate::tool::loading::{FetchError, Judged, LoadError, Source};
use crate::tool::rejected::Rejected;
use bytes::Bytes;
use std::sync::Arc;

impl Runtime {
    /// Judges and compiles a tool. One that is loaded or kept is neither judged nor compiled again.
    pub async fn load(&self, wasm: &[u8]) -> Result<Tool, Rejected> {
        let (wasm, loading) = (Bytes::copy_from_slice(wasm), &self.shared.loading);
        let digest = loading.digest(wasm.clone()).await?;
        let source = || Source::Bytes(wasm.clone());
        let compiled = loading.get_certainly(digest, Arc::from(""), source).await?;
        Ok(self.tool(compiled))
    }

    /// The tool with that digest, where it is loaded.
    pub async fn loaded(&self, digest: &ToolDigest) -> Option<Tool> {
        let compiled = self.shared.loading.loaded(digest).await?;
        Some(self.tool(compiled))
    }

    /// The tool with that digest. Its bytes are fetched only where it is neither loaded nor kept; if it has to be
    /// compiled then, `owner` is whom turns are shared by.
    pub async fn load_known<E>(
        &self,
        digest: ToolDigest,
        owner: impl AsRef<str>,
        fetch: impl Future<Output = Result<Bytes, E>> + Send + 'static,
    ) -> Result<Tool, LoadError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let fetch = async { fetch.await.map_err(|error| Arc::new(error) as FetchError) };
        let (owner, source) = (Arc::from(owner.as_ref()), Source::Fetch(Box::pin(fetch)));
        let compiled = self.shared.loading.get(digest, owner, source).await?;
        Ok(self.tool(compiled))
    }

    /// Whether a tool can be loaded without being compiled, as far as can be told without looking into its file.
    pub fn is_kept(&self, digest: &ToolDigest) -> bool {
        self.shared.loading.is_kept(digest)
    }

    /// Judges a tool without compiling it.
    pub async fn admit(&self, wasm: &[u8]) -> Result<Admissible, Rejected> {
        let judged = self.judge(Bytes::copy_from_slice(wasm)).await?;
        Ok(judged.admissible().clone())
    }

    /// Judges a tool, which [`compile`](Self::compile) then takes.
    pub async fn judge(&self, wasm: Bytes) -> Result<Judged, Rejected> {
        self.shared.loading.judge(wasm).await
    }

    /// Does some work where nobody waits for the thread it takes. Work that panics could not be done.
    pub async fn on_a_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Rejected> + Send + 'static,
    ) -> Result<T, Rejected> {
        self.shared.loading.on_a_thread(work).await
    }

    /// Compiles a tool that was judged, unless it is loaded or kept. `owner` is whom turns are shared by.
    pub async fn compile(&self, owner: impl AsRef<str>, judged: Judged) -> Result<Tool, Rejected> {
        let (owner, loading) = (Arc::from(owner.as_ref()), &self.shared.loading);
        let source = || Source::Judged(Box::new(judged.clone()));
        let compiled = loading
            .get_certainly(judged.digest(), owner, source)
            .await?;
        Ok(self.tool(compiled))
    }

    fn tool(&self, compiled: Arc<Compiled>) -> Tool {
        Tool {
            shared: Arc::clone(&self.shared),
            compiled,
        }
    }
}
