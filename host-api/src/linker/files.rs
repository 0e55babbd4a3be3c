//! `/scratch` for components: wasmtime-wasi's 0.2 filesystem behind the quota.
//!
//! Each method either only passes on, or asks the quota first and then passes on.

use crate::clock::step_down_u32;
use crate::guest::{Guest, Host as GuestHost};
use crate::limit::{HostFault, LimitExceeded};
use crate::scratch::stream::QuotaStream;
use crate::scratch::{Quota, Refusal};
use std::sync::Arc;
use wasmtime::Result;
use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, Advice, Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry,
    DirectoryEntryStream, ErrorCode, Filesize, Host, HostDescriptor, HostDirectoryEntryStream,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

/// Directory listings are read whole by the host; a guest has this many open at once at most.
const DIRECTORY_STREAMS_MAX: usize = 16;

/// Shadows the filesystem in a linker that has wasmtime-wasi's already.
pub(crate) fn add_to_linker<R: Send + 'static>(linker: &mut Linker<Guest<R>>) -> Result<()> {
    types::add_to_linker::<_, HasFiles>(linker, files)?;
    preopens::add_to_linker::<_, HasFolders>(linker, |guest| Folders(&mut guest.host))
}

struct HasFiles;

impl HasData for HasFiles {
    type Data<'a> = Files<'a>;
}

struct HasFolders;

impl HasData for HasFolders {
    type Data<'a> = Folders<'a>;
}

/// A run's host, asked for the folders there are.
struct Folders<'a>(&'a mut GuestHost);

/// A view of one run's files.
struct Files<'a> {
    inner: WasiFilesystemCtxView<'a>,
    /// Without a grant there is no folder either: nothing can be written.
    quota: Option<Arc<Quota>>,
    directory_streams: &'a mut usize,
}

fn files<R: Send>(guest: &mut Guest<R>) -> Files<'_> {
    let host = &mut guest.host;
    let quota = host
        .scratch
        .as_ref()
        .map(|scratch| Arc::clone(scratch.quota()));
    let wasi = host.wasi.ctx();
    let inner = WasiFilesystemCtxView {
        ctx: wasi.ctx.filesystem(),
        table: wasi.table,
    };
    Files {
        inner,
        quota,
        directory_streams: &mut host.directory_streams,
    }
}

impl Files<'_> {
    fn quota(&self) -> FsResult<&Quota> {
        self.quota
            .as_deref()
            .ok_or_else(|| ErrorCode::Access.into())
    }

    /// Opens the quota's door for a stream that writes.
    fn guard_stream(
        &mut self,
        stream: Resource<DynOutputStream>,
        position: Option<u64>,
    ) -> FsResult<Resource<DynOutputStream>> {
        let inner = self.inner.table.delete(stream)?;
        let quota = self.quota.clone().ok_or(ErrorCode::Access)?;
        let guarded: DynOutputStream = Box::new(QuotaStream::new(inner, quota, position));
        Ok(self.inner.table.push(guarded)?)
    }
}

impl From<Refusal> for ErrorCode {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Quota => ErrorCode::Quota,
            Refusal::FileTooLarge => ErrorCode::FileTooLarge,
            Refusal::NoSpace => ErrorCode::InsufficientSpace,
        }
    }
}

fn again(descriptor: &Resource<Descriptor>) -> Resource<Descriptor> {
    Resource::new_borrow(descriptor.rep())
}

/// File times move in the steps of every other clock.
fn step_down(mut stat: DescriptorStat) -> DescriptorStat {
    let times = [
        &mut stat.data_access_timestamp,
        &mut stat.data_modification_timestamp,
        &mut stat.status_change_timestamp,
    ];
    for time in times.into_iter().flatten() {
        time.nanoseconds = step_down_u32(time.nanoseconds);
    }
    stat
}

impl preopens::Host for Folders<'_> {
    fn get_directories(&mut self) -> Result<Vec<(Resource<Descriptor>, String)>> {
        self.0.open_scratch().map_err(HostFault)?;
        let wasi = self.0.wasi.ctx();
        let mut view = WasiFilesystemCtxView {
            ctx: wasi.ctx.filesystem(),
            table: wasi.table,
        };
        preopens::Host::get_directories(&mut view)
    }
}

impl Host for Files<'_> {
    fn convert_error_code(&mut self, error: FsError) -> Result<ErrorCode> {
        self.inner.convert_error_code(error)
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> Result<Option<ErrorCode>> {
        self.inner.filesystem_error_code(error)
    }
}

impl HostDescriptor for Files<'_> {
    // What writes, creates or links.

    async fn write(
        &mut self,
        file: Resource<Descriptor>,
        bytes: Vec<u8>,
        offset: Filesize,
    ) -> FsResult<Filesize> {
        self.quota()?
            .write(offset, bytes.len() as u64)
            .map_err(ErrorCode::from)?;
        self.inner.write(file, bytes, offset).await
    }

    fn write_via_stream(
        &mut self,
        file: Resource<Descriptor>,
        at: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        let stream = self.inner.write_via_stream(file, at)?;
        self.guard_stream(stream, Some(at))
    }

    fn append_via_stream(
        &mut self,
        file: Resource<Descriptor>,
    ) -> FsResult<Resource<DynOutputStream>> {
        let stream = self.inner.append_via_stream(file)?;
        self.guard_stream(stream, None)
    }

    async fn set_size(&mut self, file: Resource<Descriptor>, size: Filesize) -> FsResult<()> {
        let before = self.inner.stat(again(&file)).await?.size;
        self.quota()?
            .resize(before, size)
            .map_err(ErrorCode::from)?;
        self.inner.set_size(file, size).await
    }

    async fn open_at(
        &mut self,
        folder: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        if open_flags.contains(OpenFlags::CREATE)
            && self
                .inner
                .stat_at(again(&folder), path_flags, path.clone())
                .await
                .is_err()
        {
            self.quota()?.create().map_err(ErrorCode::from)?;
        }
        self.inner
            .open_at(folder, path_flags, path, open_flags, flags)
            .await
    }

    async fn create_directory_at(
        &mut self,
        folder: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        self.quota()?.create().map_err(ErrorCode::from)?;
        self.inner.create_directory_at(folder, path).await
    }

    async fn link_at(
        &mut self,
        _: Resource<Descriptor>,
        _: PathFlags,
        _: String,
        _: Resource<Descriptor>,
        _: String,
    ) -> FsResult<()> {
        Err(ErrorCode::NotPermitted.into())
    }

    async fn symlink_at(&mut self, _: Resource<Descriptor>, _: String, _: String) -> FsResult<()> {
        Err(ErrorCode::NotPermitted.into())
    }

    async fn read_directory(
        &mut self,
        folder: Resource<Descriptor>,
    ) -> FsResult<Resource<DirectoryEntryStream>> {
        if *self.directory_streams >= DIRECTORY_STREAMS_MAX {
            return Err(FsError::trap(LimitExceeded {
                limit: "directory_streams",
            }));
        }
        let stream = self.inner.read_directory(folder).await?;
        *self.directory_streams += 1;
        Ok(stream)
    }

    // What tells times.

    async fn stat(&mut self, file: Resource<Descriptor>) -> FsResult<DescriptorStat> {
        self.inner.stat(file).await.map(step_down)
    }

    async fn stat_at(
        &mut self,
        at: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        self.inner.stat_at(at, flags, path).await.map(step_down)
    }

    // What only passes on.

    async fn advise(
        &mut self,
        file: Resource<Descriptor>,
        offset: Filesize,
        length: Filesize,
        advice: Advice,
    ) -> FsResult<()> {
        self.inner.advise(file, offset, length, advice).await
    }

    async fn sync_data(&mut self, file: Resource<Descriptor>) -> FsResult<()> {
        self.inner.sync_data(file).await
    }

    async fn sync(&mut self, file: Resource<Descriptor>) -> FsResult<()> {
        self.inner.sync(file).await
    }

    async fn get_flags(&mut self, file: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        self.inner.get_flags(file).await
    }

    async fn get_type(&mut self, file: Resource<Descriptor>) -> FsResult<DescriptorType> {
        self.inner.get_type(file).await
    }

    async fn set_times(
        &mut self,
        file: Resource<Descriptor>,
        access: NewTimestamp,
        modification: NewTimestamp,
    ) -> FsResult<()> {
        self.inner.set_times(file, access, modification).await
    }

    async fn set_times_at(
        &mut self,
        at: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        access: NewTimestamp,
        modification: NewTimestamp,
    ) -> FsResult<()> {
        self.inner
            .set_times_at(at, flags, path, access, modification)
            .await
    }

    async fn read(
        &mut self,
        file: Resource<Descriptor>,
        length: Filesize,
        offset: Filesize,
    ) -> FsResult<(Vec<u8>, bool)> {
        self.inner.read(file, length, offset).await
    }

    fn read_via_stream(
        &mut self,
        file: Resource<Descriptor>,
        at: Filesize,
    ) -> FsResult<Resource<DynInputStream>> {
        self.inner.read_via_stream(file, at)
    }

    async fn readlink_at(&mut self, at: Resource<Descriptor>, path: String) -> FsResult<String> {
        self.inner.readlink_at(at, path).await
    }

    async fn remove_directory_at(
        &mut self,
        at: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        self.inner.remove_directory_at(at, path).await
    }

    async fn unlink_file_at(&mut self, at: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.inner.unlink_file_at(at, path).await
    }

    async fn rename_at(
        &mut self,
        from: Resource<Descriptor>,
        from_path: String,
        to: Resource<Descriptor>,
        to_path: String,
    ) -> FsResult<()> {
        self.inner.rename_at(from, from_path, to, to_path).await
    }

    async fn is_same_object(
        &mut self,
        one: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> Result<bool> {
        self.inner.is_same_object(one, other).await
    }

    async fn metadata_hash(&mut self, file: Resource<Descriptor>) -> FsResult<MetadataHashValue> {
        self.inner.metadata_hash(file).await
    }

    async fn metadata_hash_at(
        &mut self,
        at: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        self.inner.metadata_hash_at(at, flags, path).await
    }

    fn drop(&mut self, file: Resource<Descriptor>) -> Result<()> {
        HostDescriptor::drop(&mut self.inner, file)
    }
}

impl HostDirectoryEntryStream for Files<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        self.inner.read_directory_entry(stream).await
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> Result<()> {
        HostDirectoryEntryStream::drop(&mut self.inner, stream)?;
        *self.directory_streams = self.directory_streams.saturating_sub(1);
        Ok(())
    }
}
