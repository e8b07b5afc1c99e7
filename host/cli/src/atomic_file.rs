//! Files that appear whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Puts `bytes` at `path`: beside it first, then renamed, so that nobody ever reads half of it.
///
/// A link keeps pointing where it does, and a device or a pipe is written to as it is.
///
/// # Errors
/// What the operating system says; the old file is as it was then.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match fs::metadata(&target) {
        Ok(metadata) if metadata.is_dir() => Err(io::Error::from(io::ErrorKind::IsADirectory)),
        Ok(metadata) if !metadata.is_file() => fs::OpenOptions::new().write(true).open(&target)?.write_all(bytes),
        _ => {
            let draft = draft_of(&target);
            let written = fs::File::create(&draft).and_then(|mut file| file.write_all(bytes));
            written.and_then(|()| fs::rename(&draft, &target)).inspect_err(|_| drop(fs::remove_file(&draft)))
        }
    }
}

fn draft_of(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    target.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let folder = std::env::temp_dir().join(format!("weir-cli-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("a.json");
        write(&path, b"one").unwrap();
        std::os::unix::fs::symlink("a.json", folder.join("link")).unwrap();
        write(&folder.join("link"), b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert!(fs::symlink_metadata(folder.join("link")).unwrap().is_symlink());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        assert_eq!(write(&folder, b"x").unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert!(write(&folder.join("missing/a.json"), b"x").is_err());
        assert!(write(Path::new("/dev/full"), b"x").is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
