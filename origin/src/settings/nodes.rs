//! What nodes of journeys need of the realm beside its users: secrets, push messages, consent.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use countersign_journey::host::{ConsentMapping, KeyAttestation};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::session::over;

type Wrong = (&'static str, String);

const MAX_ENTRIES: usize = 256;
const MAX_SECRET: u64 = 64 * 1024;

/// No `Debug` of its secrets.
#[derive(Clone, Default)]
pub(crate) struct Nodes {
    pub(crate) secrets: BTreeMap<String, String>,
    pub(crate) push_gateway: String,
    pub(crate) ping_one_environments: BTreeMap<String, String>,
    pub(crate) consents: Vec<ConsentMapping>,
    pub(crate) key_attestation: KeyAttestation,
}

impl std::fmt::Debug for Nodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nodes").finish_non_exhaustive()
    }
}

/// The section as it is written.
#[derive(Clone, Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NodesSection {
    /// Files by label.
    secrets: Option<BTreeMap<String, PathBuf>>,
    push_gateway: Option<String>,
    ping_one_environments: Option<BTreeMap<String, String>>,
    consents: Option<Vec<ConsentSection>>,
    attestation_roots: Option<PathBuf>,
    attestation_status_url: Option<String>,
}

#[derive(Clone, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct ConsentSection {
    name: String,
    display_name: String,
    #[serde(default)]
    icon: String,
    #[serde(default)]
    access_level: String,
    #[serde(default)]
    titles: Vec<String>,
}

impl NodesSection {
    /// With what `above` says where this says nothing.
    pub(super) fn over(self, above: &Self) -> Self {
        over!(
            self,
            above,
            secrets,
            push_gateway,
            ping_one_environments,
            consents,
            attestation_roots,
            attestation_status_url
        )
    }

    pub(super) fn check(&self, base: &Path) -> Result<Nodes, Wrong> {
        let few = |key, count: usize| match count <= MAX_ENTRIES {
            true => Ok(()),
            false => Err((key, format!("must have at most {MAX_ENTRIES} entries"))),
        };
        let files = self.secrets.iter().flatten();
        few("nodes.secrets", files.clone().count())?;
        let secrets = files.map(|(label, file)| Ok((label.clone(), secret(&base.join(file))?)));
        let push_gateway = self.push_gateway.clone().unwrap_or_default();
        let web = |url: &str| url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !push_gateway.is_empty() && !web(&push_gateway) {
            return Err(("nodes.push_gateway", "must be an http or https URL".to_owned()));
        }
        let environments = self.ping_one_environments.clone().unwrap_or_default();
        few("nodes.ping_one_environments", environments.len())?;
        let consents = self.consents.clone().unwrap_or_default();
        few("nodes.consents", consents.len())?;
        let mapping = |section: ConsentSection| ConsentMapping {
            name: section.name,
            display_name: section.display_name,
            icon: section.icon,
            access_level: section.access_level,
            titles: section.titles,
        };
        let mut key_attestation = match &self.attestation_roots {
            None => KeyAttestation::default(),
            Some(file) => roots(&base.join(file))?,
        };
        key_attestation.status_url = self.attestation_status_url.clone().unwrap_or_default();
        // Whoever could shorten the list on its way would make revoked keys good.
        let url = &key_attestation.status_url;
        let whole = url.is_empty() || web(url) && url.starts_with("https://");
        if !whole {
            return Err(("nodes.attestation_status_url", "must be an https URL".to_owned()));
        }
        Ok(Nodes {
            secrets: secrets.collect::<Result<_, Wrong>>()?,
            push_gateway,
            ping_one_environments: environments,
            consents: consents.into_iter().map(mapping).collect(),
            key_attestation,
        })
    }
}

fn roots(file: &Path) -> Result<KeyAttestation, Wrong> {
    let wrong = |why: &dyn std::fmt::Display| ("nodes.attestation_roots", format!("{}: {why}", file.display()));
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(|error| wrong(&error))?;
    opened.take(MAX_SECRET).read_to_string(&mut text).map_err(|error| wrong(&error))?;
    KeyAttestation::with_roots(&text).map_err(|why| wrong(&why))
}

/// The text of a file, without the line end that editors leave.
fn secret(file: &Path) -> Result<String, Wrong> {
    let wrong = |why: &dyn std::fmt::Display| ("nodes.secrets", format!("{}: {why}", file.display()));
    let mut text = Zeroizing::new(String::new());
    let opened = std::fs::File::open(file).map_err(|error| wrong(&error))?;
    opened.take(MAX_SECRET + 1).read_to_string(&mut text).map_err(|error| wrong(&error))?;
    let trimmed = text.trim_end_matches(['\r', '\n']);
    if trimmed.is_empty() || text.len() as u64 > MAX_SECRET {
        return Err(wrong(&format!("must hold a secret of at most {MAX_SECRET} bytes")));
    }
    Ok(trimmed.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, base: &Path) -> Result<Nodes, Wrong> {
        toml::from_str::<NodesSection>(text).unwrap().check(base)
    }

    #[test]
    fn secrets_are_read_from_files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("google"), "s3cret\n").unwrap();
        std::fs::write(folder.path().join("empty"), "\n").unwrap();
        let nodes = check("secrets = { \"social.google\" = \"google\" }", folder.path()).unwrap();
        assert_eq!(nodes.secrets["social.google"], "s3cret");
        for file in ["empty", "missing"] {
            let error = check(&format!("secrets = {{ a = \"{file}\" }}"), folder.path()).unwrap_err();
            assert_eq!(error.0, "nodes.secrets");
        }
    }

    #[test]
    fn a_realm_has_its_own_or_those_above() {
        let above: NodesSection = toml::from_str("push_gateway = \"https://push.example\"").unwrap();
        let own: NodesSection = toml::from_str("[[consents]]\nname = \"crm\"\ndisplay_name = \"CRM\"").unwrap();
        let nodes = own.over(&above).check(Path::new("/")).unwrap();
        assert_eq!((nodes.push_gateway.as_str(), nodes.consents[0].name.as_str()), ("https://push.example", "crm"));
        assert_eq!(check("push_gateway = \"push\"", Path::new("/")).unwrap_err().0, "nodes.push_gateway");
    }

    #[test]
    fn roots_of_attestations_are_googles_or_those_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let google = check("", folder.path()).unwrap().key_attestation;
        assert_eq!(google, KeyAttestation::default());
        let pem = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEGbPb+0sUB4fTFMULpRtgA+RI7gH7\n\
                   Mx0BbCRVqRW2MnVOXZmaXzfChGFGzNcxMPIzOwTLxtaPsSkBSoqJSJqVqA==\n-----END PUBLIC KEY-----\n";
        std::fs::write(folder.path().join("roots.pem"), pem).unwrap();
        std::fs::write(folder.path().join("none.pem"), "none").unwrap();
        let text = "attestation_roots = \"roots.pem\"\nattestation_status_url = \"https://status.example/\"";
        let own = check(text, folder.path()).unwrap().key_attestation;
        assert_eq!(own.status_url, "https://status.example/");
        let mut by_itself = KeyAttestation::with_roots(pem).unwrap();
        assert_ne!(by_itself, google);
        by_itself.status_url.clone_from(&own.status_url);
        assert_eq!(by_itself, own);
        for (text, at) in [
            ("attestation_roots = \"none.pem\"", "nodes.attestation_roots"),
            ("attestation_roots = \"missing.pem\"", "nodes.attestation_roots"),
            ("attestation_status_url = \"status\"", "nodes.attestation_status_url"),
            ("attestation_status_url = \"http://status.example/\"", "nodes.attestation_status_url"),
        ] {
            assert_eq!(check(text, folder.path()).unwrap_err().0, at);
        }
    }
}
