//! The shared AWS files: `~/.aws/credentials` and `~/.aws/config`, which object_store does not read.

use async_trait::async_trait;
use configparser::ini::Ini;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// One profile of the shared files. Read again now and then: tools write fresh keys into them.
#[derive(Debug)]
pub(super) struct ProfileProvider {
    files: ProfileFiles,
    name: String,
    last: Mutex<Option<(Instant, Arc<AwsCredential>)>>,
}

/// Where the shared files are.
#[derive(Clone, Debug, Default)]
pub(super) struct ProfileFiles {
    pub(super) credentials: Option<PathBuf>,
    pub(super) config: Option<PathBuf>,
}

/// What the files say about a profile.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) credential: Option<AwsCredential>,
    pub(super) region: Option<String>,
    /// A key whose way of getting credentials we do not know.
    unknown_way: Option<&'static str>,
}

impl ProfileFiles {
    /// `AWS_SHARED_CREDENTIALS_FILE`, `AWS_CONFIG_FILE`, else below `~/.aws`.
    pub(super) fn of(environment: &dyn Fn(&str) -> Option<String>) -> ProfileFiles {
        let home = environment("HOME").map(PathBuf::from);
        let file = |variable: &str, name: &str| {
            let named = environment(variable).map(PathBuf::from);
            named.or_else(|| home.as_ref().map(|home| home.join(".aws").join(name)))
        };
        ProfileFiles {
            credentials: file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
            config: file("AWS_CONFIG_FILE", "config"),
        }
    }

    /// Reads a profile; `None` if neither file has it. The credentials file wins.
    pub(super) fn read(&self, name: &str) -> Result<Option<Profile>, String> {
        let in_config = match name {
            "default" => name.to_owned(),
            name => format!("profile {name}"),
        };
        let sources =
            [(load(self.credentials.as_deref())?, name), (load(self.config.as_deref())?, &in_config)];
        let found: Vec<_> =
            sources.iter().filter(|(ini, section)| ini.get_map_ref().contains_key(*section)).collect();
        if found.is_empty() {
            return Ok(None);
        }
        let get = |key: &str| {
            found.iter().find_map(|(ini, section)| ini.get(section, key)).filter(|value| !value.is_empty())
        };
        let credential = match (get("aws_access_key_id"), get("aws_secret_access_key")) {
            (Some(key_id), Some(secret_key)) => {
                Some(AwsCredential { key_id, secret_key, token: get("aws_session_token") })
            }
            (None, None) => None,
            _ => {
                return Err(format!(
                    "profile `{name}` has only one of aws_access_key_id, aws_secret_access_key"
                ));
            }
        };
        let unknown_way = UNKNOWN_WAYS.into_iter().find(|key| get(key).is_some());
        Ok(Some(Profile { credential, region: get("region"), unknown_way }))
    }

    /// The credentials of a profile that must be there.
    fn credential(&self, name: &str) -> Result<AwsCredential, String> {
        let profile = self.read(name)?.ok_or_else(|| {
            let shown = |path: &Option<PathBuf>| path.as_deref().map(|path| path.display().to_string());
            let files: Vec<_> =
                [shown(&self.credentials), shown(&self.config)].into_iter().flatten().collect();
            format!("there is no profile `{name}` in {}", files.join(" or "))
        })?;
        profile.credential.ok_or_else(|| match profile.unknown_way {
            Some(way) => format!("profile `{name}` uses {way}, which is not in this version; it needs keys"),
            None => format!("profile `{name}` has no aws_access_key_id and aws_secret_access_key"),
        })
    }
}

impl ProfileProvider {
    /// Reads the profile once, so that a missing one is noticed now.
    pub(super) fn open(files: ProfileFiles, name: &str) -> Result<ProfileProvider, String> {
        files.credential(name)?;
        Ok(ProfileProvider { files, name: name.to_owned(), last: Mutex::new(None) })
    }
}

#[async_trait]
impl CredentialProvider for ProfileProvider {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((read_at, credential)) = last.as_ref()
            && read_at.elapsed() < READ_AGAIN_AFTER
        {
            return Ok(credential.clone());
        }
        let credential = self.files.credential(&self.name);
        let credential = credential
            .map_err(|message| object_store::Error::Generic { store: "S3", source: message.into() })?;
        let credential = Arc::new(credential);
        *last = Some((Instant::now(), credential.clone()));
        Ok(credential)
    }
}

/// A missing file has no profiles; one that cannot be read is an error.
fn load(path: Option<&Path>) -> Result<Ini, String> {
    let mut ini = Ini::new_cs();
    let mut rules = ini.defaults();
    rules.delimiters = vec!['='];
    rules.inline_comment_symbols = Some(Vec::new());
    ini.load_defaults(rules);
    let Some(path) = path else { return Ok(ini) };
    match std::fs::read_to_string(path) {
        Ok(text) => {
            ini.read(text).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok(ini)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(ini),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

const UNKNOWN_WAYS: [&str; 5] =
    ["credential_process", "sso_session", "sso_start_url", "role_arn", "credential_source"];

const READ_AGAIN_AFTER: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn files(credentials: &str, config: &str) -> (tempfile::TempDir, ProfileFiles) {
        let dir = tempfile::tempdir().unwrap();
        let paths = (dir.path().join("credentials"), dir.path().join("config"));
        std::fs::write(&paths.0, credentials).unwrap();
        std::fs::write(&paths.1, config).unwrap();
        (dir, ProfileFiles { credentials: Some(paths.0), config: Some(paths.1) })
    }

    #[test]
    fn both_files_make_a_profile() {
        let (_dir, files) = files(
            "# mine\n[default]\naws_access_key_id = AK\naws_secret_access_key = a/b+c=;#d\n\n[temp]\n\
             aws_access_key_id=AT\naws_secret_access_key=ST\naws_session_token=T==\n",
            "[default]\nregion = eu-west-1\ns3 =\n  max_concurrent_requests = 20\n[profile temp]\nregion=us-east-2\n",
        );
        let profile = files.read("default").unwrap().unwrap();
        let credential = profile.credential.unwrap();
        assert_eq!((credential.key_id.as_str(), credential.secret_key.as_str()), ("AK", "a/b+c=;#d"));
        assert_eq!(profile.region.as_deref(), Some("eu-west-1"));
        let temp = files.read("temp").unwrap().unwrap();
        assert_eq!(temp.credential.unwrap().token.as_deref(), Some("T=="));
        assert_eq!(temp.region.as_deref(), Some("us-east-2"));
    }

    #[test]
    fn a_missing_profile_names_the_files_and_an_unknown_way_its_key() {
        let (dir, files) = files("", "[profile sso]\nsso_start_url = https://x\n");
        let missing = ProfileProvider::open(files.clone(), "nobody").unwrap_err();
        assert!(missing.contains("`nobody`") && missing.contains(dir.path().to_str().unwrap()), "{missing}");
        let unknown = ProfileProvider::open(files, "sso").unwrap_err();
        assert!(unknown.contains("sso_start_url"), "{unknown}");
    }

    #[test]
    fn half_a_credential_is_an_error() {
        let (_dir, files) = files("[default]\naws_access_key_id = AK\n", "");
        assert!(files.read("default").unwrap_err().contains("only one"));
    }

    #[test]
    fn the_environment_names_the_files() {
        let environment = |name: &str| match name {
            "HOME" => Some("/home/u".to_owned()),
            "AWS_CONFIG_FILE" => Some("/etc/aws".to_owned()),
            _ => None,
        };
        let files = ProfileFiles::of(&environment);
        assert_eq!(files.credentials, Some(PathBuf::from("/home/u/.aws/credentials")));
        assert_eq!(files.config, Some(PathBuf::from("/etc/aws")));
    }
}
