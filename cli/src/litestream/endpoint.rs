//! Where a host of a replica URL leads: Litestream takes the bucket alone, and names that hold endpoint and region.

/// A bucket and how it is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Empty: the host names none.
    pub(super) bucket: String,
    pub(super) url: Option<String>,
    pub(super) region: Option<String>,
}

/// Takes the host of an `s3://` URL apart.
pub(super) fn of_host(host: &str) -> Endpoint {
    if host.contains(':') && !host.contains(".com") {
        // bucket.host:port, as MinIO has it.
        let (bucket, rest) = host.split_once('.').unwrap_or(("", host));
        return Endpoint { bucket: bucket.to_owned(), url: Some(format!("http://{rest}")), region: None };
    }
    for (suffix, provider) in PROVIDERS {
        let Some(before) = host.strip_suffix(suffix) else { continue };
        if let Some(endpoint) = of_provider(before, provider) {
            return endpoint;
        }
    }
    Endpoint { bucket: host.to_owned(), ..Endpoint::default() }
}

#[derive(Clone, Copy)]
enum Provider {
    Aws,
    DigitalOcean,
    Backblaze,
    Filebase,
    Scaleway,
}

/// `before`: the host without the provider's domain.
fn of_provider(before: &str, provider: Provider) -> Option<Endpoint> {
    let with_region = |marker: &str| {
        let (bucket, region) = before.rsplit_once(marker)?;
        Some((bucket.to_owned(), region.to_owned())).filter(|(_, region)| !region.contains('.'))
    };
    let (bucket, region, url) = match provider {
        Provider::Aws => match before.strip_suffix(".s3") {
            Some(bucket) => (bucket.to_owned(), None, None),
            None => {
                let (bucket, region) = with_region(".s3.")?;
                (bucket, Some(region), None)
            }
        },
        Provider::DigitalOcean => {
            let (bucket, region) = before.rsplit_once('.').unwrap_or(("", before));
            let url = format!("https://{region}.digitaloceanspaces.com");
            (bucket.to_owned(), Some(region.to_owned()), Some(url))
        }
        Provider::Backblaze => {
            let (bucket, region) = with_region(".s3.")?;
            let url = format!("https://s3.{region}.backblazeb2.com");
            (bucket, Some(region), Some(url))
        }
        Provider::Filebase => {
            let bucket = before.strip_suffix(".s3")?.to_owned();
            (bucket, None, Some("https://s3.filebase.com".to_owned()))
        }
        Provider::Scaleway => {
            let (bucket, region) = with_region(".s3.")?;
            let url = format!("https://s3.{region}.scw.cloud");
            (bucket, Some(region), Some(url))
        }
    };
    Some(Endpoint { bucket, url, region })
}

/// An endpoint with a scheme: the hosts of this machine and of private networks have no certificates.
pub(super) fn with_scheme(endpoint: &str) -> String {
    if endpoint.contains("://") || endpoint.starts_with("${") {
        return endpoint.to_owned();
    }
    let host = endpoint.split([':', '/']).next().unwrap_or(endpoint);
    let is_private = match host.parse::<std::net::Ipv4Addr>() {
        Ok(address) => address.is_loopback() || address.is_private(),
        Err(_) => host == "localhost" || host.ends_with(".local") || !host.contains('.'),
    };
    format!("{}://{endpoint}", if is_private { "http" } else { "https" })
}

const PROVIDERS: [(&str, Provider); 5] = [
    (".amazonaws.com", Provider::Aws),
    (".digitaloceanspaces.com", Provider::DigitalOcean),
    (".backblazeb2.com", Provider::Backblaze),
    (".filebase.com", Provider::Filebase),
    (".scw.cloud", Provider::Scaleway),
];
