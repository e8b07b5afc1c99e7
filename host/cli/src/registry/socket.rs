//! Sockets in a folder whose path may be longer than that of a socket.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};

/// Linux takes 107 bytes.
const PATH_BYTES_MAX: usize = 100;

/// A process of this machine that takes longer doesn't answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A path to `name` in `folder` that is short enough, valid as long as the file that comes with it is open.
fn short_path(folder: &Path, name: &str) -> io::Result<(PathBuf, Option<File>)> {
    let path = folder.join(name);
    if path.as_os_str().len() <= PATH_BYTES_MAX {
        return Ok((path, None));
    }
    let open = File::open(folder)?;
    Ok((PathBuf::from(format!("/proc/self/fd/{}/{name}", open.as_raw_fd())), Some(open)))
}

/// Listens on a socket that only this user may connect to.
///
/// # Errors
/// What the operating system says.
pub(super) fn listen(folder: &Path, name: &str) -> io::Result<UnixListener> {
    let (path, _open) = short_path(folder, name)?;
    let listener = UnixListener::bind(&path)?;
    // The folder lets nobody else in: this is a second wall.
    std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Connects to a socket.
///
/// # Errors
/// When nobody listens, or not in time.
pub(crate) async fn connect(folder: &Path, name: &str) -> io::Result<UnixStream> {
    let (path, _open) = short_path(folder, name)?;
    tokio::time::timeout(CONNECT_TIMEOUT, UnixStream::connect(&path)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_folder_is_no_hindrance() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let base = std::env::temp_dir().join(format!("weir-cli-sock-{}", std::process::id()));
        for folder in [base.clone(), base.join("x".repeat(90)).join("y".repeat(200))] {
            std::fs::create_dir_all(&folder).unwrap();
            runtime.block_on(async {
                assert_eq!(connect(&folder, "a.sock").await.unwrap_err().kind(), io::ErrorKind::NotFound);
                let listener = listen(&folder, "a.sock").unwrap();
                assert_eq!(std::fs::metadata(folder.join("a.sock")).unwrap().permissions().mode() & 0o777, 0o600);
                connect(&folder, "a.sock").await.unwrap();
                drop(listener);
                assert_eq!(connect(&folder, "a.sock").await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
            });
        }
        std::fs::remove_dir_all(&base).unwrap();
    }
}
