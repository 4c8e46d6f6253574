//! Which host is asked: AWS's regional STS, its one IAM of a partition, or the one that the configuration names.
//!
//! The SDK's own rules are not used: their partition table can be replaced by an environment variable
//! (`SMITHY_CLIENT_SDK_CUSTOM_PARTITION`), and then any host would issue our sessions. A test holds this table against
//! theirs.

use rolecall_core::domain::arn::Partition;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::console;
use rolecall_core::domain::error::{Kind, UserError, printable};
use std::net::IpAddr;

/// Where calls go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The whole address.
    pub(crate) url: String,
    /// Its host, with the port where there is one; for messages.
    pub(crate) host: String,
    /// Whether it is spoken to over TLS.
    pub(crate) tls: bool,
    /// Whether it is this machine, which no proxy leads to.
    pub(crate) loopback: bool,
}

impl Endpoint {
    /// Finds the STS of a region.
    pub(crate) fn sts(aws: &AwsSettings, region: &str) -> Result<Self, UserError> {
        check_region(region)?;
        match &aws.sts_endpoint {
            Some(url) => custom(aws, url, "endpoint_url_sts"),
            None => Ok(Self::of_aws(regional(region, aws.fips, aws.dual_stack))),
        }
    }

    /// Finds the IAM of a region's partition.
    pub(crate) fn iam(aws: &AwsSettings, region: &str) -> Result<Self, UserError> {
        check_region(region)?;
        match &aws.iam_endpoint {
            Some(url) => custom(aws, url, "endpoint_url_iam"),
            None => Ok(Self::of_aws(global(Partition::of_region(region), aws.fips, aws.dual_stack))),
        }
    }

    /// Finds the S3 of a region: where STS and IAM are at one address, S3 is there too.
    pub(crate) fn s3(aws: &AwsSettings, region: &str) -> Result<Self, UserError> {
        check_region(region)?;
        match (&aws.sts_endpoint, &aws.iam_endpoint) {
            (Some(sts), Some(iam)) if sts == iam => custom(aws, sts, "endpoint_url"),
            _ => Ok(Self::of_aws(s3(region, aws.fips, aws.dual_stack))),
        }
    }

    /// Finds the console's sign-in of a region.
    pub(crate) fn signin(aws: &AwsSettings, region: &str) -> Result<Self, UserError> {
        check_region(region)?;
        match &aws.signin_endpoint {
            Some(url) => custom(aws, url, "endpoint_url_signin"),
            None => Ok(Self::of_aws(console::signin_address(region, aws.fips)?)),
        }
    }

    fn of_aws(url: String) -> Self {
        let host = url["https://".len()..].to_owned();
        Self { url, host, tls: true, loopback: false }
    }
}

fn check_region(region: &str) -> Result<(), UserError> {
    let label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=63).contains(&region.len()) && region.bytes().all(label) {
        return Ok(());
    }
    Err(UserError::new(Kind::Config, format!("`{}` is not a region", printable(region, 64)))
        .hint("set `region` to one like eu-central-1"))
}

/// Builds the address of a partition's IAM, which has no regions (General Reference, "IAM endpoints").
fn global(partition: Partition, fips: bool, dual_stack: bool) -> String {
    // Of each partition: the plain host's end, the end of the FIPS host, and that of the dual-stack hosts.
    let (plain, plain_fips, dual) = match partition {
        Partition::Aws => ("amazonaws.com", "amazonaws.com", "global.api.aws"),
        Partition::Cn => ("cn-north-1.amazonaws.com.cn", "amazonaws.com.cn", "global.api.amazonwebservices.com.cn"),
        Partition::Eusc => ("eusc-de-east-1.amazonaws.eu", "amazonaws.eu", "global.api.amazonwebservices.eu"),
        Partition::Iso => ("us-iso-east-1.c2s.ic.gov", "us-iso-east-1.c2s.ic.gov", "api.aws.ic.gov"),
        Partition::IsoB => ("us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1.sc2s.sgov.gov", "api.aws.scloud"),
        Partition::IsoE => ("eu-isoe-west-1.cloud.adc-e.uk", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
        Partition::IsoF => ("us-isof-south-1.csp.hci.ic.gov", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
        Partition::UsGov => ("us-gov.amazonaws.com", "us-gov.amazonaws.com", "us-gov.api.aws"),
    };
    // GovCloud's ordinary host is its FIPS host.
    let service = if fips && partition != Partition::UsGov { "iam-fips" } else { "iam" };
    let end = match (dual_stack, fips) {
        // China and the sovereign cloud have no FIPS host of the global name.
        (true, true) => dual.strip_prefix("global.").filter(|_| partition != Partition::Aws).unwrap_or(dual),
        (true, false) => dual,
        (false, true) => plain_fips,
        (false, false) => plain,
    };
    format!("https://{service}.{end}")
}

/// Builds the regional address (General Reference, "AWS STS endpoints"). Never the global one: its tokens are not valid
/// in opt-in regions.
fn regional(region: &str, fips: bool, dual_stack: bool) -> String {
    let partition = Partition::of_region(region);
    let (plain, dual) = match partition {
        Partition::Aws | Partition::UsGov => ("amazonaws.com", "api.aws"),
        Partition::Cn => ("amazonaws.com.cn", "api.amazonwebservices.com.cn"),
        Partition::Eusc => ("amazonaws.eu", "api.amazonwebservices.eu"),
        Partition::Iso => ("c2s.ic.gov", "api.aws.ic.gov"),
        Partition::IsoB => ("sc2s.sgov.gov", "api.aws.scloud"),
        Partition::IsoE => ("cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
        Partition::IsoF => ("csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    };
    // GovCloud's ordinary host is its FIPS host.
    let plain_is_fips = partition == Partition::UsGov && !dual_stack;
    let service = if fips && !plain_is_fips { "sts-fips" } else { "sts" };
    format!("https://{service}.{region}.{}", if dual_stack { dual } else { plain })
}

/// Builds the regional address of S3, whose dual-stack hosts have a name of their own (General Reference, "Amazon S3
/// endpoints").
fn s3(region: &str, fips: bool, dual_stack: bool) -> String {
    let service = match (fips, dual_stack) {
        (false, false) => "s3",
        (true, false) => "s3-fips",
        (false, true) => "s3.dualstack",
        (true, true) => "s3-fips.dualstack",
    };
    regional(region, false, false).replacen("sts", service, 1)
}

fn custom(aws: &AwsSettings, url: &str, key: &str) -> Result<Endpoint, UserError> {
    if aws.fips || aws.dual_stack {
        let keys = "`use_fips_endpoint` and `use_dualstack_endpoint`";
        return Err(UserError::new(Kind::Config, format!("{keys} choose among AWS's own hosts"))
            .hint(format!("remove them, or remove `{key}`, under `[aws]`")));
    }
    let refuse = |why: &str| {
        Err(UserError::new(Kind::Config, format!("`{key}` {why}: {}", printable(url, 200)))
            .hint("set it under `[aws]` to an https address, or to http on this machine"))
    };
    let (tls, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return refuse("is not an address"),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return refuse("holds a user name");
    }
    let name = match authority.strip_prefix('[') {
        Some(inner) => inner.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    if name.is_empty() || !authority.bytes().all(|b| b.is_ascii_graphic()) {
        return refuse("names no host");
    }
    let loopback =
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if !tls && !loopback {
        return refuse("would carry sessions unencrypted");
    }
    Ok(Endpoint { url: url.to_owned(), host: authority.to_owned(), tls, loopback })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_sts::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};

    #[tokio::test]
    async fn the_regional_hosts_are_those_of_the_sdks_own_rules() {
        let resolver = DefaultResolver::new();
        for region in [
            "us-east-1",
            "eu-central-1",
            "ap-southeast-7",
            "cn-north-1",
            "us-gov-west-1",
            "eusc-de-east-1",
            "us-iso-east-1",
            "us-isob-east-1",
            "eu-isoe-west-1",
            "us-isof-south-1",
        ] {
            for (fips, dual_stack) in [(false, false), (true, false), (false, true), (true, true)] {
                let params = Params::builder()
                    .region(region)
                    .use_fips(fips)
                    .use_dual_stack(dual_stack)
                    .use_global_endpoint(false)
                    .build()
                    .expect("valid");
                let theirs = resolver.resolve_endpoint(&params).await.expect("resolved");
                assert_eq!(regional(region, fips, dual_stack), theirs.url(), "fips {fips} dual {dual_stack}");
            }
        }
    }

    #[tokio::test]
    async fn the_hosts_of_iam_and_their_signatures_region_are_those_of_the_sdks_own_rules() {
        use aws_sdk_iam::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
        let resolver = DefaultResolver::new();
        for region in [
            "us-east-1",
            "eu-central-1",
            "cn-northwest-1",
            "us-gov-east-1",
            "eusc-de-east-1",
            "us-iso-west-1",
            "us-isob-east-1",
            "eu-isoe-west-1",
            "us-isof-east-1",
        ] {
            for (fips, dual_stack) in [(false, false), (true, false), (false, true), (true, true)] {
                let partition = Partition::of_region(region);
                let params = Params::builder().region(region).use_fips(fips).use_dual_stack(dual_stack).build();
                let theirs = resolver.resolve_endpoint(&params.expect("valid")).await.expect("resolved");
                let ours = global(partition, fips, dual_stack);
                assert_eq!(ours, theirs.url(), "{region} fips {fips} dual {dual_stack}");
                let said = format!("{:?}", theirs.auth_schemes());
                assert!(said.contains(&format!("\"{}\"", partition.default_region())), "{region}: {said}");
            }
        }
    }

    #[test]
    fn a_custom_host_is_https_or_this_machine() {
        let of = |url: &str| {
            let aws = AwsSettings { sts_endpoint: Some(url.into()), ..AwsSettings::default() };
            Endpoint::sts(&aws, "eu-central-1")
        };
        for (url, host, tls, loopback) in [
            ("http://127.0.0.1:4566", "127.0.0.1:4566", false, true),
            ("http://[::1]:4566/", "[::1]:4566", false, true),
            ("https://localhost", "localhost", true, true),
            (
                "https://vpce-1.sts.eu-central-1.vpce.amazonaws.com",
                "vpce-1.sts.eu-central-1.vpce.amazonaws.com",
                true,
                false,
            ),
        ] {
            let want = Endpoint { url: url.into(), host: host.into(), tls, loopback };
            assert_eq!(of(url).expect(url), want);
        }
        for url in
            ["http://sts.example.com", "http://127.0.0.1.example.com", "sts.example.com", "https://a@b", "https://"]
        {
            let report = of(url).expect_err(url);
            assert_eq!(report.kind, Kind::Config, "{url}");
            assert!(report.message.contains("endpoint_url_sts"), "{url}");
        }
    }

    #[test]
    fn a_region_cannot_lead_to_another_host() {
        for region in ["", "evil.com/", "eu-central-1.evil.com", "EU", "eu central"] {
            assert_eq!(Endpoint::sts(&AwsSettings::default(), region).expect_err(region).kind, Kind::Config);
        }
        let both = AwsSettings { sts_endpoint: Some("https://a.b".into()), fips: true, ..AwsSettings::default() };
        assert!(Endpoint::sts(&both, "eu-central-1").expect_err("both").message.contains("fips"));
    }
}
