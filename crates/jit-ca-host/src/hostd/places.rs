//! hostd's folder in `/run`, its socket, and its part of the cgroups.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};

use super::Fault;
use crate::cgroup;
use crate::config::Places;

/// The socket, in a folder that everybody may look into and root alone may write.
pub(super) fn listen(places: &Places) -> Result<UnixListener, Fault> {
    let socket = places.socket();
    let listen = || {
        make_folder(&places.run, 0o755)?;
        if fs::symlink_metadata(&socket).is_ok() {
            fs::remove_file(&socket)?;
        }
        // Bound beside and moved there, so that nobody finds a socket that they may not use yet.
        let beside = socket.with_extension("new");
        let _ = fs::remove_file(&beside);
        let listener = UnixListener::bind(&beside)?;
        fs::set_permissions(&beside, Permissions::from_mode(0o666))?;
        fs::rename(&beside, &socket)?;
        Ok(listener)
    };
    alone(places)?;
    listen().map_err(|error| Fault::Machine("the socket can't be made", error))
}

/// The folder with what is open.
pub(super) fn connections(places: &Places) -> Result<PathBuf, Fault> {
    let folder = places.run.join("connections");
    make_folder(&folder, 0o700)
        .map_err(|error| Fault::Machine("the folder of connections can't be made", error))?;
    Ok(folder)
}

/// Where cgroups are mounted, and our folder there: one for each `run` that is configured, as several hosts may be on one machine.
pub(super) fn groups(places: &Places) -> Result<(PathBuf, PathBuf), Fault> {
    let make = || {
        let mount = cgroup::mount()?;
        let hash = digest(&SHA256, places.run.as_os_str().as_encoded_bytes());
        let name: String = hash.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let folder = mount.join("jit-ca").join(name);
        fs::create_dir_all(&folder)?;
        Ok((mount, folder))
    };
    make().map_err(|error| Fault::Machine("there is no cgroup to hold connections in", error))
}

/// One hostd at a time: its lock is held until the process ends.
fn alone(places: &Places) -> Result<(), Fault> {
    let lock = || {
        make_folder(&places.run, 0o755)?;
        let file = File::create(places.run.join("hostd.lock"))?;
        file.try_lock().map_err(io::Error::from)?;
        Ok(file)
    };
    let file = lock().map_err(|error| Fault::Machine("another jit-ca-hostd runs", error))?;
    std::mem::forget(file);
    Ok(())
}

fn make_folder(path: &Path, mode: u32) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(mode).create(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode))
}
