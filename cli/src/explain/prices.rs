//! The price table: plain data (`prices.toml`), which a file of the user's adds to or replaces.

use serde::Deserialize;

/// Prices of stores; those found first count.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    providers: Vec<Provider>,
}

/// What a provider asks for, in US dollars.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// For people.
    pub name: String,
    /// The day of the prices, as in `2025-06-01`.
    pub as_of: String,
    /// Ends of the host names of its endpoints; `amazonaws.com` also stands for S3 without an endpoint, `file` for a
    /// directory, `*` for everything.
    pub hosts: Vec<String>,
    /// 1,000 writes.
    pub puts_per_thousand: f64,
    /// 1,000 listings.
    pub lists_per_thousand: f64,
    /// 1,000 reads.
    pub gets_per_thousand: f64,
    /// A GB (10^9 bytes) in a month.
    pub storage_per_gb: f64,
}

/// A file that is no price table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// Not TOML, or not of this form.
    #[error("it is no price table: {0}")]
    Form(String),
    /// A price below zero, or no number.
    #[error("{provider}: {key} is no price")]
    Price {
        /// Whose.
        provider: String,
        /// Which.
        key: &'static str,
    },
}

impl Prices {
    /// The table that walsync brings along.
    pub fn built_in() -> Prices {
        Prices::parse(include_str!("prices.toml")).expect("a test reads it")
    }

    /// Reads a table.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Prices, PriceError> {
        let form = |error: toml::de::Error| PriceError::Form(error.message().to_owned());
        let prices: Prices = toml::from_str(text).map_err(form)?;
        for provider in &prices.providers {
            let named = [
                ("puts_per_thousand", provider.puts_per_thousand),
                ("lists_per_thousand", provider.lists_per_thousand),
                ("gets_per_thousand", provider.gets_per_thousand),
                ("storage_per_gb", provider.storage_per_gb),
            ];
            if let Some((key, _)) = named.into_iter().find(|(_, price)| !(price.is_finite() && *price >= 0.0))
            {
                return Err(PriceError::Price { provider: provider.name.clone(), key });
            }
        }
        Ok(prices)
    }

    /// These, and after them those of `others`.
    #[must_use]
    pub fn before(mut self, others: Prices) -> Prices {
        self.providers.extend(others.providers);
        self
    }

    /// The prices of a host; `None`: nobody knows them.
    pub fn of_host(&self, host: &str) -> Option<&Provider> {
        let ends = |end: &String| {
            end == "*"
                || host
                    .strip_suffix(end.as_str())
                    .is_some_and(|before| before.is_empty() || before.ends_with('.'))
        };
        self.providers.iter().find(|provider| provider.hosts.iter().any(ends))
    }
}
