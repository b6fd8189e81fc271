//! What `cleanup` keeps: what is configured here, but never less than the place's writer keeps, unless a person says so.

use super::find::Found;
use crate::config::{Config, Origin, RetentionSettings, StoreSettings};
use crate::exit::{Failure, Kind};
use engine::manifest::{Manifest, ManifestError};
use engine::retention::{Period, Policy};
use engine::store::StoreError;
use io_real::port::Store;

/// Whether anybody chose what is kept, or it is what everybody gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen(bool);

impl Chosen {
    /// Whether a key of `[retention]` is set.
    pub fn of(config: &Config) -> Chosen {
        let is_set =
            |path: &str| path.starts_with("retention.") && config.values.origin(path) != Origin::Default;
        Chosen(config.values.paths().any(is_set))
    }

    /// Or else that.
    #[must_use]
    pub fn or(self, chosen: bool) -> Chosen {
        Chosen(self.0 || chosen)
    }
}

/// The policy of a run over one place.
///
/// # Errors
/// Exit 2: it keeps less than the place's writer does, and nobody said that it may; a place of a newer version. Exit 3: the
/// manifest cannot be read.
pub(super) async fn policy_of(
    opened: &dyn Store,
    store: &StoreSettings,
    found: &Found,
    (configured, chosen): (&RetentionSettings, Chosen),
    may_keep_less: bool,
) -> Result<Policy, Failure> {
    let configured = policy(configured);
    let Some(stored) = stored(opened, store, found).await? else { return Ok(configured) };
    if !chosen.0 {
        return Ok(stored);
    }
    let shorter = shorter(&configured, &stored);
    if shorter.is_empty() || may_keep_less {
        return Ok(configured);
    }
    let failure = Failure::usage("this would keep less than the place's writer does").database(&found.name);
    let failure = shorter.into_iter().fold(failure, |failure, why| failure.cause(why));
    Err(failure.hint("add --force, or drop [retention] from the configuration; --dry-run says what would go"))
}

/// As the engine wants it.
pub(in crate::commands) fn policy(settings: &RetentionSettings) -> Policy {
    let RetentionSettings { l0, pitr, hourly, daily, weekly, monthly } = settings.clone();
    let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let (hourly, daily, weekly, monthly) = (count(hourly), count(daily), count(weekly), count(monthly));
    Policy { l0, pitr, hourly, daily, weekly, monthly }
}

/// What the place's writer keeps, if that is known.
///
/// # Errors
/// A place of a newer version, a manifest that is damaged or cannot be read.
pub(super) async fn stored(
    opened: &dyn Store,
    store: &StoreSettings,
    found: &Found,
) -> Result<Option<Policy>, Failure> {
    let key = found.place.manifest_key();
    let body = match opened.get(&key, None).await {
        Ok(body) => body,
        Err(StoreError::Missing) => return Ok(None),
        Err(error) => {
            let what = format!("the store {} cannot be read", store.url);
            return Err(Failure::of_store(what, &error).database(&found.name).object(&key));
        }
    };
    match Manifest::decode(&body.bytes) {
        Ok(manifest) => Ok(manifest.policy),
        Err(error @ ManifestError::Newer { .. }) => {
            Err(Failure::usage("a newer walsync wrote this database")
                .because(&error)
                .database(&found.name)
                .hint("use the version of walsync that writes it"))
        }
        // What the place's writer keeps stands there.
        Err(error @ ManifestError::Corrupt(_)) => {
            Err(Failure::new(Kind::Corrupt, "what the place's writer keeps cannot be read")
                .because(&error)
                .database(&found.name)
                .object(&key)
                .hint("walsync watch DATABASE   # writes it anew within minutes"))
        }
    }
}

/// What of a policy is less than in another, in words.
fn shorter(configured: &Policy, stored: &Policy) -> Vec<String> {
    let mut shorter = Vec::new();
    let mut spans = |name: &str, here: std::time::Duration, there: std::time::Duration| {
        if here < there {
            shorter.push(format!("{name}: {} s here, {} s there", here.as_secs(), there.as_secs()));
        }
    };
    spans("l0", configured.l0, stored.l0);
    spans("pitr", configured.pitr, stored.pitr);
    for (period, name) in Period::ALL.into_iter().zip(["hourly", "daily", "weekly", "monthly"]) {
        let (here, there) = (configured.count(period), stored.count(period));
        if here < there {
            shorter.push(format!("{name}: {here} here, {there} there"));
        }
    }
    shorter
}
