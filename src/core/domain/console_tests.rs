use super::*;

#[test]
fn every_partition_has_its_own_hosts_or_says_that_none_are_known() {
    for (region, signin, console) in [
        ("us-east-1", "https://signin.aws.amazon.com", "us-east-1.console.aws.amazon.com"),
        ("eu-west-1", "https://eu-west-1.signin.aws.amazon.com", "eu-west-1.console.aws.amazon.com"),
        ("cn-north-1", "https://signin.amazonaws.cn", "cn-north-1.console.amazonaws.cn"),
        ("cn-northwest-1", "https://cn-northwest-1.signin.amazonaws.cn", "cn-northwest-1.console.amazonaws.cn"),
        ("us-gov-west-1", "https://signin.amazonaws-us-gov.com", "us-gov-west-1.console.amazonaws-us-gov.com"),
        (
            "us-gov-east-1",
            "https://us-gov-east-1.signin.amazonaws-us-gov.com",
            "us-gov-east-1.console.amazonaws-us-gov.com",
        ),
        (
            "eusc-de-east-1",
            "https://eusc-de-east-1.signin.amazonaws-eusc.eu",
            "eusc-de-east-1.console.amazonaws-eusc.eu",
        ),
    ] {
        assert_eq!(signin_address(region, false).expect(region), signin);
        let home = page(region, None).expect(region);
        assert_eq!(home, format!("https://{console}/console/home?region={region}"));
        assert!(check_destination(Partition::of_region(region), &home).is_ok(), "{home}");
    }
    for region in ["us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "us-isof-south-1"] {
        for report in [signin_address(region, false), page(region, None)] {
            assert_eq!(report.expect_err(region).kind, Kind::Config);
        }
    }
}

#[test]
fn fips_is_the_host_that_has_it_or_a_refusal_and_never_another_host() {
    let fips = |region: &str| signin_address(region, true);
    assert_eq!(fips("us-gov-west-1").expect("FIPS"), "https://signin-fips.amazonaws-us-gov.com");
    assert_eq!(fips("us-gov-east-1").expect("FIPS"), "https://us-gov-east-1.signin-fips.amazonaws-us-gov.com");
    assert!(fips("eu-west-1").expect_err("none").message.contains("FIPS"));
}

#[test]
fn a_service_is_where_its_name_says_or_where_the_table_does() {
    let at = |region: &str, service: &str| page(region, Some(service)).expect(service);
    assert_eq!(at("eu-west-1", "s3"), "https://eu-west-1.console.aws.amazon.com/s3/home?region=eu-west-1");
    assert_eq!(at("eu-west-1", "EC2"), "https://eu-west-1.console.aws.amazon.com/ec2/home?region=eu-west-1");
    assert_eq!(at("eu-west-1", "sfn"), "https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1");
    assert_eq!(
        at("eu-west-1", "logs"),
        "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups"
    );
    assert_eq!(at("eu-west-1", "iam"), "https://us-east-1.console.aws.amazon.com/iam/home?region=us-east-1");
    assert_eq!(
        at("us-gov-east-1", "iam"),
        "https://us-gov-west-1.console.amazonaws-us-gov.com/iam/home?region=us-gov-west-1"
    );
    assert!(PAGES.is_sorted(), "it is searched by halves");
    for (service, _) in PAGES {
        assert!(check_destination(Partition::Aws, &at("eu-west-1", service)).is_ok(), "{service}");
    }
    for bad in ["", "s3/../x", "s3?x", "a b", "évil", &"x".repeat(65)] {
        assert_eq!(page("eu-west-1", Some(bad)).expect_err(bad).kind, Kind::Usage);
    }
    for bad in ["", "evil.com/", "eu-west-1.evil.com", "EU-WEST-1", "mars"] {
        assert_eq!(page(bad, None).expect_err(bad).kind, Kind::Usage);
    }
}

#[test]
fn a_sign_in_leads_to_the_console_and_nowhere_else() {
    for good in [
        "https://console.aws.amazon.com/",
        "https://console.aws.amazon.com",
        "https://eu-west-1.console.aws.amazon.com/s3/buckets/x?region=eu-west-1&tab=objects#top",
        "https://s3.console.aws.amazon.com/s3/home",
    ] {
        assert!(check_destination(Partition::Aws, good).is_ok(), "{good}");
    }
    for bad in [
        "http://console.aws.amazon.com/",
        "//console.aws.amazon.com/",
        "console.aws.amazon.com",
        "https://example.com/",
        "https://console.aws.amazon.com.example.com/",
        "https://evilconsole.aws.amazon.com/",
        "https://.console.aws.amazon.com/",
        "https://console.aws.amazon.com@example.com/",
        "https://example.com/https://console.aws.amazon.com/",
        "https://example.com#@console.aws.amazon.com/",
        "https://example.com\\.console.aws.amazon.com/",
        "https://example.com\\@console.aws.amazon.com/",
        "https://console.aws.amazon.com:8443/",
        "https://console.aws.amazon.com/\r\nLocation: https://example.com",
        "https://console.aws.amazon.com/a b",
        "https://CONSOLE.aws.amazon.com/",
        "https://xn--cnsole-wxa.aws.amazon.com/",
        "https://signin.aws.amazon.com/federation?Action=login&Destination=https://example.com",
        "javascript:alert(1)//https://console.aws.amazon.com",
        "https://console.amazonaws.cn/",
        "",
    ] {
        let report = check_destination(Partition::Aws, bad).expect_err(bad);
        assert_eq!(report.kind, Kind::Usage, "{bad}");
        assert!(!report.message.contains(['\r', '\n']), "{}", report.message);
    }
    assert!(check_destination(Partition::Cn, "https://console.amazonaws.cn/").is_ok());
    assert!(
        check_destination(Partition::Aws, &format!("https://console.aws.amazon.com/{}", "x".repeat(2048))).is_err()
    );
}

#[test]
fn a_duration_is_asked_for_where_aws_takes_one_and_refused_with_the_reason_elsewhere() {
    let (hour, half) = (Duration::from_hours(1), Duration::from_mins(30));
    assert_eq!(session_duration(Reached::Directly, None, Some(hour)).expect("its own"), Some(hour));
    assert_eq!(session_duration(Reached::Directly, Some(half), Some(hour)).expect("asked"), Some(half));
    for reached in [Reached::ByChain, Reached::ByMfaSession, Reached::BySource] {
        assert_eq!(session_duration(reached, None, Some(hour)).expect("left out"), None);
        let report = session_duration(reached, Some(hour), None).expect_err("refused");
        assert!(report.message.contains("AWS sets the duration") && report.hint.is_some(), "{report}");
    }
    for wrong in [Duration::from_secs(899), Duration::from_secs(43_201), Duration::ZERO] {
        assert_eq!(session_duration(Reached::Directly, Some(wrong), None).expect_err("range").kind, Kind::Usage);
    }
    for (wrong, said) in [(60, "not 1m"), (46_800, "not 13h"), (899, "not 899s")] {
        let report = session_duration(Reached::Directly, Some(Duration::from_secs(wrong)), None).expect_err("range");
        assert!(report.message.ends_with(said), "{report}");
    }
}

#[test]
fn a_sign_in_address_has_each_value_whole() {
    let url = login_url("https://signin.aws.amazon.com/", "https://console.aws.amazon.com/s3?a=b&c#d", "to/k+e=n&x");
    assert_eq!(
        url.expose(),
        "https://signin.aws.amazon.com/federation?Action=login&Issuer=rolecall&Destination=https%3A%2F%2Fconsole.aws.amazon.com\
         %2Fs3%3Fa%3Db%26c%23d&SigninToken=to%2Fk%2Be%3Dn%26x"
    );
    assert!(!format!("{url:?}").contains("SigninToken"));
}
