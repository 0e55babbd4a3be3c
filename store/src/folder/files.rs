//! The bytes of tools: content-addressed, written once, never changed.

use crate::digest::Digest;
use crate::error::StoreError;
use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use std::path::Path;
use std::sync::Arc;

/// The folder with the tools' bytes.
#[derive(Debug)]
pub(crate) struct Files {
    objects: Arc<dyn ObjectStore>,
}

impl Files {
    pub(crate) fn open(folder: &Path) -> Result<Self, object_store::Error> {
        std::fs::create_dir_all(folder).map_err(|error| object_store::Error::Generic {
            store: "tools",
            source: Box::new(error),
        })?;
        let objects = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self {
            objects: Arc::new(objects),
        })
    }

    /// Keeps bytes. Those that are there already are the same ones.
    pub(crate) async fn put(&self, bytes: Bytes) -> Result<(), StoreError> {
        let digest = Digest::of(&bytes);
        let options = PutOptions::from(PutMode::Create);
        match self
            .objects
            .put_opts(&path(&digest), bytes.into(), options)
            .await
        {
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Checks that bytes can be kept.
    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        let path = ObjectPath::from("check");
        self.objects
            .put(&path, Bytes::from_static(b"!").into())
            .await?;
        Ok(self.objects.delete(&path).await?)
    }

    /// Removes them, where they are there.
    pub(crate) async fn remove(&self, digest: &Digest) -> Result<(), StoreError> {
        match self.objects.delete(&path(digest)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The bytes, where they are still what they were.
    pub(crate) async fn get(&self, digest: &Digest) -> Result<Bytes, StoreError> {
        let bytes = self.objects.get(&path(digest)).await?.bytes().await?;
        if Digest::of(&bytes) != *digest {
            return Err(StoreError::FileDamaged(*digest));
        }
        Ok(bytes)
    }
}

fn path(digest: &Digest) -> ObjectPath {
    let name = data_encoding::HEXLOWER.encode(digest.as_bytes());
    ObjectPath::from(format!("{}/{name}.wasm", &name[..2]))
}
