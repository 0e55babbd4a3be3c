//! `/scratch` for WASI 0.1 modules: the calls that write, create, link, tell times or exit, shadowed in the
//! linker; all others are wasmtime-wasi's.

use crate::clock::step_down_u64;
use crate::guest::{Guest, Host};
use crate::limit::Exit;
use crate::scratch::{Quota, Refusal};
use std::sync::Arc;
use wasmtime::{AsContextMut, Caller, Extern, Linker, Result, bail};
use wasmtime_wasi::p1::types::{Errno, Fd, Filetype, Lookupflags};
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as preview1, WasiSnapshotPreview1};
use wiggle::{GuestMemory, GuestPtr};

const MODULE: &str = "wasi_snapshot_preview1";

/// `oflags::creat`.
const OPEN_CREATE: i32 = 1;
/// `lookupflags::symlink_follow`.
const FOLLOW: i32 = 1;
/// Where the three times are in a `filestat`, from its start.
const FILESTAT_TIMES: [u32; 3] = [40, 48, 56];
/// As Linux: a vectored write takes this many buffers at most.
const BUFFERS_MAX: u32 = 1024;

/// Shadows the doors in a linker that has wasmtime-wasi's 0.1 calls already.
pub(crate) fn add_to_linker<R: Send + 'static>(linker: &mut Linker<Guest<R>>) -> Result<()> {
    add_writes(linker)?;
    add_creations(linker)?;
    add_links(linker)?;
    add_stats(linker)?;
    linker.func_wrap(MODULE, "proc_exit", |code: i32| -> Result<()> {
        Err(Exit {
            code: code.cast_unsigned(),
        }
        .into())
    })?;
    Ok(())
}

fn add_writes<R: Send + 'static>(linker: &mut Linker<Guest<R>>) -> Result<()> {
    linker.func_wrap_async(
        MODULE,
        "fd_write",
        |mut caller: Caller<'_, Guest<R>>, (fd, buffers, count, written): (i32, i32, i32, i32)| {
            Box::new(async move {
                let (mut memory, host) = door(&mut caller)?;
                let offset = host.wasi.fd_tell(&mut memory, file_of(fd)).unwrap_or(0);
                match ask_for_write(host, &mut memory, fd, buffers, count, offset).await {
                    Ok(()) => {
                        preview1::fd_write(&mut host.wasi, &mut memory, fd, buffers, count, written)
                            .await
                    }
                    Err(refused) => Ok(refused as i32),
                }
            })
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "fd_pwrite",
        |mut caller: Caller<'_, Guest<R>>,
         (fd, buffers, count, offset, written): (i32, i32, i32, i64, i32)| {
            Box::new(async move {
                let (mut memory, host) = door(&mut caller)?;
                match ask_for_write(
                    host,
                    &mut memory,
                    fd,
                    buffers,
                    count,
                    offset.cast_unsigned(),
                )
                .await
                {
                    Ok(()) => {
                        preview1::fd_pwrite(
                            &mut host.wasi,
                            &mut memory,
                            fd,
                            buffers,
                            count,
                            offset,
                            written,
                        )
                        .await
                    }
                    Err(refused) => Ok(refused as i32),
                }
            })
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "fd_filestat_set_size",
        |mut caller: Caller<'_, Guest<R>>, (fd, size): (i32, i64)| {
            Box::new(async move {
                let (mut memory, host) = door(&mut caller)?;
                if let Ok(stat) = host.wasi.fd_filestat_get(&mut memory, file_of(fd)).await
                    && let Some(quota) = quota(host)
                    && let Err(refusal) = quota.resize(stat.size, size.cast_unsigned())
                {
                    return Ok(Errno::from(refusal) as i32);
                }
                preview1::fd_filestat_set_size(&mut host.wasi, &mut memory, fd, size).await
            })
        },
    )?;
    Ok(())
}

fn add_creations<R: Send + 'static>(linker: &mut Linker<Guest<R>>) -> Result<()> {
    type PathOpen = (i32, i32, i32, i32, i32, i64, i64, i32, i32);
    linker.func_wrap_async(
        MODULE,
        "path_open",
        |mut caller: Caller<'_, Guest<R>>, arguments: PathOpen| {
            Box::new(async move {
                let (fd, lookup, path, length, flags, rights, inherited, fd_flags, opened) =
                    arguments;
                let (mut memory, host) = door(&mut caller)?;
                if flags & OPEN_CREATE != 0
                    && !exists(host, &mut memory, fd, lookup, path, length).await
                    && let Some(quota) = quota(host)
                    && let Err(refusal) = quota.create()
                {
                    return Ok(Errno::from(refusal) as i32);
                }
                preview1::path_open(
                    &mut host.wasi,
                    &mut memory,
                    fd,
                    lookup,
                    path,
                    length,
                    flags,
                    rights,
                    inherited,
                    fd_flags,
                    opened,
                )
                .await
            })
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "path_create_directory",
        |mut caller: Caller<'_, Guest<R>>, (fd, path, length): (i32, i32, i32)| {
            Box::new(async move {
                let (mut memory, host) = door(&mut caller)?;
                if let Some(quota) = quota(host)
                    && let Err(refusal) = quota.create()
                {
                    return Ok(Errno::from(refusal) as i32);
                }
                preview1::path_create_directory(&mut host.wasi, &mut memory, fd, path, length).await
            })
        },
    )?;
    Ok(())
}

/// There are no links of any kind.
fn add_links<R: Send + 'static>(linker: &mut Linker<Guest<R>>) -> Result<()> {
    type PathLink = (i32, i32, i32, i32, i32, i32, i32);
    linker.func_wrap_async(
        MODULE,
        "path_link",
        |_: Caller<'_, Guest<R>>, _: PathLink| Box::new(std::future::ready(Errno::Perm as i32)),
    )?;
    type PathSymlink = (i32, i32, i32, i32, i32);
    linker.func_wrap_async(
        MODULE,
        "path_symlink",
        |_: Caller<'_, Guest<R>>, _: PathSymlink| Box::new(std::future::ready(Errno::Perm as i32)),
    )?;
    Ok(())
}

/// File times move in the steps of every other clock.
fn add_stats<R: Send + 'static>(linker: &mut Linker<Guest<R>>) -> Result<()> {
    linker.func_wrap_async(
        MODULE,
        "fd_filestat_get",
        |mut caller: Caller<'_, Guest<R>>, (fd, stat): (i32, i32)| {
            Box::new(async move {
                let (mut memory, host) = door(&mut caller)?;
                let errno =
                    preview1::fd_filestat_get(&mut host.wasi, &mut memory, fd, stat).await?;
                if errno == Errno::Success as i32 {
                    step_down_times(&mut memory, stat)?;
                }
                Ok(errno)
            })
        },
    )?;
    type PathStat = (i32, i32, i32, i32, i32);
    linker.func_wrap_async(
        MODULE,
        "path_filestat_get",
        |mut caller: Caller<'_, Guest<R>>, arguments: PathStat| {
            Box::new(async move {
                let (fd, lookup, path, length, stat) = arguments;
                let (mut memory, host) = door(&mut caller)?;
                let errno = preview1::path_filestat_get(
                    &mut host.wasi,
                    &mut memory,
                    fd,
                    lookup,
                    path,
                    length,
                    stat,
                )
                .await?;
                if errno == Errno::Success as i32 {
                    step_down_times(&mut memory, stat)?;
                }
                Ok(errno)
            })
        },
    )?;
    Ok(())
}

/// The guest's memory and the host's state, as every 0.1 call needs them.
fn door<'a, R: 'static>(
    caller: &'a mut Caller<'_, Guest<R>>,
) -> Result<(GuestMemory<'a>, &'a mut Host)> {
    let fuel = caller.as_context_mut().hostcall_fuel();
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
        bail!("the module exports no memory named `memory`");
    };
    let (bytes, guest) = memory.data_and_store_mut(caller);
    guest.host.wasi.set_hostcall_fuel(fuel);
    Ok((GuestMemory::Unshared(bytes), &mut guest.host))
}

fn file_of(fd: i32) -> Fd {
    Fd::from(fd.cast_unsigned())
}

fn quota(host: &Host) -> Option<&Arc<Quota>> {
    host.scratch.as_ref().map(|scratch| scratch.quota())
}

/// Asks the quota whether the first buffer that is not empty (the only one wasmtime-wasi writes) may go to a file.
async fn ask_for_write(
    host: &mut Host,
    memory: &mut GuestMemory<'_>,
    fd: i32,
    buffers: i32,
    count: i32,
    offset: u64,
) -> Result<(), Errno> {
    let is_file = host
        .wasi
        .fd_fdstat_get(memory, file_of(fd))
        .await
        .is_ok_and(|stat| stat.fs_filetype == Filetype::RegularFile);
    if let (true, Some(quota)) = (is_file, quota(host)) {
        let length = first_buffer_length(memory, buffers.cast_unsigned(), count.cast_unsigned())?;
        quota.write(offset, length)?;
    }
    Ok(())
}

fn first_buffer_length(memory: &GuestMemory<'_>, buffers: u32, count: u32) -> Result<u64, Errno> {
    if count > BUFFERS_MAX {
        return Err(Errno::Inval);
    }
    for index in 0..count {
        let length_at = buffers.checked_add(index * 8 + 4).ok_or(Errno::Fault)?;
        let length: u32 = memory
            .read(GuestPtr::new(length_at))
            .map_err(|_| Errno::Fault)?;
        if length > 0 {
            return Ok(u64::from(length));
        }
    }
    Ok(0)
}

async fn exists(
    host: &mut Host,
    memory: &mut GuestMemory<'_>,
    fd: i32,
    lookup: i32,
    path: i32,
    length: i32,
) -> bool {
    let path = GuestPtr::new((path.cast_unsigned(), length.cast_unsigned()));
    let lookup = if lookup & FOLLOW != 0 {
        Lookupflags::SYMLINK_FOLLOW
    } else {
        Lookupflags::empty()
    };
    host.wasi
        .path_filestat_get(memory, file_of(fd), lookup, path)
        .await
        .is_ok()
}

fn step_down_times(memory: &mut GuestMemory<'_>, stat: i32) -> Result<()> {
    for offset in FILESTAT_TIMES {
        let at = GuestPtr::<u64>::new(stat.cast_unsigned() + offset);
        let time = memory.read(at)?;
        memory.write(at, step_down_u64(time))?;
    }
    Ok(())
}

impl From<Refusal> for Errno {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Quota => Errno::Dquot,
            Refusal::FileTooLarge => Errno::Fbig,
            Refusal::NoSpace => Errno::Nospc,
        }
    }
}
