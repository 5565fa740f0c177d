//! Exports on disk: files and folders, within bounds.

use std::path::{Path, PathBuf};

use countersign_journey::Export;
use countersign_journey::import::{ImportError, MAX_BYTES, decode, from_files, from_json};

use super::super::Failure;

const MAX_FILES: usize = 20_000;
const MAX_DEPTH: usize = 16;
/// What an export may have in it.
const ENDINGS: [&str; 3] = ["json", "js", "groovy"];

/// The journeys in all of these; of two of one name the later one counts.
pub(super) fn read(paths: &[PathBuf]) -> Result<Export, Failure> {
    let mut all = Export::default();
    for path in paths {
        let export = one(path).map_err(|Failure(what)| Failure(format!("{}: {what}", path.display())))?;
        for (name, document) in export.journeys {
            if all.journeys.insert(name.clone(), document).is_some() {
                eprintln!("countersign: {name:?} is there more than once; that of {} counts", path.display());
            }
        }
    }
    Ok(all)
}

fn one(path: &Path) -> Result<Export, Failure> {
    if path.as_os_str() == "-" {
        return Ok(from_json(&limited(std::io::stdin())?)?);
    }
    if !path.is_dir() {
        let text = limited(std::fs::File::open(path)?)?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // A file of a folder's shape, alone, and a tree whose name is that of its file.
        if !name.ends_with(".json") {
            return Ok(from_json(&text)?);
        }
        let mut files = beside(path.parent().unwrap_or(Path::new("")), &text)?;
        files.push((name.clone(), text));
        // The caller names the file.
        let bare = |error: ImportError| {
            let what = error.to_string();
            Failure(what.strip_prefix(&format!("{name}: ")).unwrap_or(&what).to_owned())
        };
        return Ok(from_files(&files).map_err(bare)?.0);
    }
    let (mut files, mut bytes) = (Vec::new(), 0);
    let mut open = vec![(path.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let mut entries = std::fs::read_dir(&folder)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let (at, kind) = (entry.path(), entry.file_type()?);
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            let ending = at.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known));
            if kind.is_dir() && !hidden && depth < MAX_DEPTH {
                open.push((at, depth + 1));
            } else if kind.is_file() && ending && !hidden {
                let text = limited(std::fs::File::open(&at)?)
                    .map_err(|Failure(what)| Failure(format!("{}: {what}", at.display())))?;
                bytes += text.len();
                if files.len() >= MAX_FILES {
                    return Err(Failure(format!("more than {MAX_FILES} files")));
                }
                if bytes > MAX_BYTES {
                    return Err(ImportError::TooLarge { bytes }.into());
                }
                let below = at.strip_prefix(path).unwrap_or(&at);
                let below: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
                files.push((below.join("/"), text));
            }
        }
    }
    Ok(from_files(&files)?.0)
}

/// The sources of scripts that lie beside an export, in files that it names: nowhere but there, and nothing else.
fn beside(folder: &Path, text: &str) -> Result<Vec<(String, String)>, Failure> {
    let mut files: Vec<(String, String)> = Vec::new();
    for rest in text.split("file://").skip(1) {
        let name = rest.split(['"', '\\']).next().unwrap_or_default();
        let plain = Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let ending = Path::new(name).extension().is_some_and(|ending| ending == "js" || ending == "groovy");
        if !plain || !ending || files.len() >= MAX_FILES || files.iter().any(|(known, _)| known == name) {
            continue;
        }
        // One that is not there is a missing script, which the report names.
        if let Ok(file) = std::fs::File::open(folder.join(name)) {
            let source = limited(file).map_err(|Failure(what)| Failure(format!("{name}: {what}")))?;
            files.push((name.to_owned(), source));
        }
    }
    Ok(files)
}

pub(super) fn limited(from: impl std::io::Read) -> Result<String, Failure> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    from.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_BYTES {
        return Err(ImportError::TooLarge { bytes: bytes.len() }.into());
    }
    Ok(decode("what was read", bytes)?)
}
