//! A key that STS of one Region rejects as unknown: asks other Regions whether they accept it.
//!
//! The same answer is given to a deleted key, in a Region that the account has not enabled, and in another partition. A
//! Region that accepts the key shows that nothing is wrong with the key. Which Regions are asked follows from the
//! configuration alone: the partitions of its ARNs, and the Regions that it names.

use super::audit::Event;
use super::failure::Failure;
use super::ports::Ports;
use super::sts_calls::StepRefresh;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::credential::Signer;
use rolecall_core::domain::regions::{Reason, Rejected};
use rolecall_ports::{CallerIdentity, Retryability, TokenError};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How many Regions are asked: a caller waits meanwhile.
const REGIONS_MAX: usize = 2;

/// A Region that accepts a key, and whose key it is.
pub(super) struct Accepted {
    pub(super) region: String,
    pub(super) who: CallerIdentity,
}

/// Asks Regions in turn whether they accept what signs; also returns what each answered.
pub(super) async fn accepted_by(
    ports: &Ports,
    aws: &Arc<AwsSettings>,
    signer: &Signer,
    regions: Vec<String>,
) -> (Option<Accepted>, Vec<(String, Result<(), TokenError>)>) {
    let mut answers = Vec::new();
    for region in regions.into_iter().take(REGIONS_MAX) {
        match ports.tokens.probes().who(aws, signer, &region).await.who {
            Ok(who) => {
                answers.push((region.clone(), Ok(())));
                return (Some(Accepted { region, who }), answers);
            }
            Err(error) => answers.push((region, Err(error))),
        }
    }
    (None, answers)
}

/// Returns the public half of what signs.
pub(super) fn id_of(signer: &Signer) -> &str {
    match signer {
        Signer::Key(key) => &key.id,
        Signer::Session(session) => &session.access_key_id,
    }
}

/// Replaces the failure of a step whose signer is unknown, if another Region accepts the signer.
pub(super) async fn explain(step: &StepRefresh<'_>, signer: &Signer, failure: Failure) -> Failure {
    if !failure.is_unknown_key() {
        return failure;
    }
    let StepRefresh { calls, aws, plan, at, .. } = *step;
    let asked = step.step().region();
    let mut regions = plan.regions_besides(at);
    // A session that is over is rejected everywhere, and renewed at once.
    let is_session = matches!(signer, Signer::Session(_));
    regions.retain(|region| !is_session || Rejected::is_lasting(asked, region));
    let (accepted, answers) = accepted_by(&calls.ports, aws, signer, regions).await;
    for (region, answer) in answers {
        calls.counters.sts_calls.fetch_add(1, Ordering::Relaxed);
        if answer.is_err() {
            calls.counters.sts_failures.fetch_add(1, Ordering::Relaxed);
        }
        let result = answer.as_ref().map_or_else(|error| error.code.clone().unwrap_or_default(), |()| "ok".to_owned());
        let line = calls.audit.line(Event::Sts).result(result).name(&plan.name);
        let line = line.message(format!("sts:GetCallerIdentity in {region}, because another Region rejects the key"));
        calls.audit.write(line.request_id(answer.err().and_then(|error| error.request_id)));
    }
    let Some(Accepted { region, who }) = accepted else { return failure };
    let rejected = Rejected {
        key_id: id_of(signer),
        account: who.account.as_str(),
        asked,
        accepted_by: &region,
        section: &plan.section_of(at),
    };
    let outlook = match rejected.reason() {
        Reason::NotYet => Retryability::Transient,
        Reason::OtherPartition | Reason::NotEnabled => Retryability::Permanent,
    };
    Failure { report: rejected.explain(failure.report), outlook, code: failure.code }
}
