//! Answers that are late, wrong or none. Each must end within the port's ten seconds and harm nothing.

use super::*;
use rolecall_sandbox::{Fault, FaultKind};
use std::net::TcpListener;
use std::sync::Mutex;

/// Runs one AssumeRole under a fault that stays.
async fn under(what: FaultKind) -> (Bench, Result<Issued, TokenError>) {
    let bench = Bench::new();
    bench.sandbox.fault(Fault::on("AssumeRole", what));
    let outcome = bench.assume(&role()).await;
    (bench, outcome)
}

#[tokio::test]
async fn throttling_twice_is_waited_out() {
    let bench = Bench::new();
    bench.sandbox.fault(Fault::on("AssumeRole", FaultKind::Throttle).times(2));
    bench.assume(&role()).await.expect("the third attempt");
    assert_eq!(bench.sandbox.count("AssumeRole"), 3);
}

#[tokio::test]
async fn an_outage_is_given_up_after_three_attempts() {
    let what = FaultKind::Error { status: 503, code: "ServiceUnavailable".into(), message: "later".into() };
    let (bench, outcome) = under(what).await;
    let error = outcome.expect_err("out of order");
    assert_eq!((error.report.kind, error.outlook), (Kind::Unreachable, Retryability::Transient));
    assert!(error.report.message.contains("ServiceUnavailable") && error.request_id.is_some(), "{error:?}");
    assert_eq!(bench.sandbox.count("AssumeRole"), 3);
}

#[tokio::test]
async fn what_is_refused_is_not_tried_again() {
    let bench = Bench::new();
    bench.sandbox.world(|world| world.user(USER_ARN).permissions.inline.clear());
    let error = bench.assume(&role()).await.expect_err("denied");
    assert_eq!((error.report.kind, error.code.as_deref()), (Kind::Refused, Some("AccessDenied")));
    assert_eq!(bench.sandbox.count("AssumeRole"), 1);
}

#[tokio::test]
async fn a_server_that_is_silent_or_drips_is_left_after_ten_seconds() {
    let drip = FaultKind::SlowLoris(Duration::from_millis(200));
    let (silent, dripping) = tokio::join!(under(FaultKind::Hang), under(drip));
    for (_, outcome) in [silent, dripping] {
        let error = outcome.expect_err("no answer");
        assert_eq!((error.report.kind, error.outlook), (Kind::Unreachable, Retryability::Transient));
        assert!(error.report.message.contains("did not answer within 10 seconds"), "{error:?}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_once_is_made_again() {
    for what in [FaultKind::Drop, FaultKind::CutOff] {
        let bench = Bench::new();
        bench.sandbox.fault(Fault::on("AssumeRole", what.clone()).times(1));
        let outcome = bench.assume(&role()).await;
        assert!(outcome.is_ok(), "{what:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_hundred_megabytes_are_not_read() {
    let (bench, outcome) = under(FaultKind::HugeBody).await;
    let error = outcome.expect_err("too large");
    assert!(error.report.message.contains("larger than any of STS's"), "{error:?}");
    assert_eq!(bench.sandbox.count("AssumeRole"), 1);
}

#[tokio::test]
async fn what_is_not_sts_is_called_so_and_never_shown() {
    let page = "is not STS (HTTP 200)";
    for (what, words) in [(FaultKind::Garbage, page), (FaultKind::TruncatedXml, "ends too early")] {
        let (_, outcome) = under(what.clone()).await;
        let error = outcome.expect_err("not STS");
        assert_eq!((error.report.kind, error.outlook), (Kind::Unreachable, Retryability::Transient), "{what:?}");
        assert!(error.report.message.contains(words), "{what:?}: {error:?}");
        assert!(!format!("{error:?}").contains('<'), "{error:?}");
    }
}

#[tokio::test]
async fn an_answer_to_another_question_is_no_session() {
    let other = "arn:aws:iam::222222222222:role/Admin";
    for (what, words, outlook) in [
        (FaultKind::WrongRole(other.into()), "another role", Retryability::Permanent),
        (FaultKind::WrongAccount("333333333333".into()), "another role", Retryability::Permanent),
        (FaultKind::ExpiredAnswer, "over already", Retryability::Transient),
        (FaultKind::FarFuture, "longer than was asked", Retryability::Transient),
        (FaultKind::NoExpiration, "", Retryability::Transient),
        (FaultKind::BadExpiration("tomorrow".into()), "", Retryability::Transient),
        (FaultKind::MissingField("SessionToken".into()), "", Retryability::Transient),
        (FaultKind::MissingField("SecretAccessKey".into()), "", Retryability::Transient),
        (FaultKind::MissingField("AccessKeyId".into()), "", Retryability::Transient),
        (FaultKind::MissingField("Credentials".into()), "", Retryability::Transient),
        (FaultKind::MissingField("AssumedRoleUser".into()), "another role", Retryability::Permanent),
    ] {
        let (bench, outcome) = under(what.clone()).await;
        let error = outcome.expect_err("odd");
        assert_eq!((error.report.kind, error.outlook), (Kind::Unreachable, outlook), "{what:?}: {error:?}");
        assert!(error.report.message.contains(words), "{what:?}: {error:?}");
        assert_eq!(bench.sandbox.count("AssumeRole"), 1, "{what:?}");
    }
}

#[tokio::test]
async fn the_secrets_of_the_call_do_not_come_back_in_its_error() {
    let bench = Bench::new();
    let base = bench.sts.session_token(&bench.aws, &bench.key, &session_call(None), None).await.expect("a session");
    bench.sandbox.fault(Fault::on("AssumeRole", FaultKind::EchoSecret));
    let signer = Signer::Session(base.session.clone());
    let error = bench.sts.assume_role(&bench.aws, &signer, &role(), "me", None).await.expect_err("refused");
    let shown = format!("{error:?}");
    for secret in [base.session.token.expose(), base.session.secret.expose(), "Signature=", "AWS4-HMAC"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn a_server_whose_clock_is_ahead_is_answered_in_its_own_time() {
    let bench = Bench::new();
    bench.sandbox.fault(Fault::on("AssumeRole", FaultKind::DateSkew(1800)));
    let issued = bench.assume(&role()).await.expect("corrected");
    assert_eq!(issued.skew, TimeDelta::minutes(30));
}

#[tokio::test]
async fn a_request_called_expired_is_signed_again_once() {
    let bench = Bench::new();
    let expired =
        FaultKind::Error { status: 400, code: "RequestExpired".into(), message: "Request has expired.".into() };
    bench.sandbox.fault(Fault::on("AssumeRole", expired).times(1));
    bench.assume(&role()).await.expect("the second attempt");
    assert_eq!(bench.sandbox.count("AssumeRole"), 2);
}

#[tokio::test]
async fn the_log_holds_no_secret_at_its_finest_level() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    // One thread runs the test and the connection, so this sees what both say.
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let bench = Bench::new();
    let issued = bench.assume(&role()).await.expect("assumed");
    bench.sandbox.fault(Fault::on("AssumeRole", FaultKind::EchoSecret));
    let signer = Signer::Session(issued.session.clone());
    bench.sts.assume_role(&bench.aws, &signer, &role(), "me", None).await.expect_err("refused");
    tracing::trace!("the log works");
    let log = String::from_utf8_lossy(&log.0.lock().expect("whole")).into_owned();
    assert!(log.contains("the log works"));
    let session = &issued.session;
    for secret in [bench.key.secret.expose(), session.secret.expose(), session.token.expose(), "Signature="] {
        assert!(!log.contains(secret), "{log}");
    }
}

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("whole").extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn nobody_at_the_door_is_told_at_once() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let bench = Bench::new();
    let aws = Arc::new(AwsSettings { sts_endpoint: Some(format!("http://{free}")), ..AwsSettings::default() });
    let error = bench.sts.caller_identity(&aws, &bench.key, REGION).await.expect_err("refused");
    assert!(error.report.message.contains(&format!("nothing listens at {free}")), "{error:?}");
}
