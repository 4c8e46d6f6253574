//! AssumeRoleWithWebIdentity: an identity provider's token for a session of a role. The call is not signed; the token is
//! what says who asks.

use super::{Sts, seconds, taken};
use crate::aws::errors::Call;
use crate::aws::response_interceptor::ResponseInterceptor;
use aws_sdk_sts::operation::RequestId;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::secret::WebToken;
use rolecall_core::domain::source::WebIdentity;
use rolecall_ports::{Issued, TokenError};
use std::sync::Arc;

impl Sts {
    /// Presents a token.
    pub(super) async fn present(
        &self,
        aws: &Arc<AwsSettings>,
        region: &str,
        call: &WebIdentity,
        session_name: &str,
        token: &WebToken,
    ) -> Result<Issued, TokenError> {
        let reached = self.clients.reach(aws, region).await?;
        let secrets = [token.expose()];
        let asked = reached.asked_unsigned(Call::WebIdentity(&call.role_arn), &secrets);
        let probe = ResponseInterceptor::new(Arc::clone(self.clients.clock()));
        let sent = reached
            .client
            .assume_role_with_web_identity()
            .role_arn(call.role_arn.as_str())
            .role_session_name(session_name)
            .duration_seconds(seconds(call.duration))
            .web_identity_token(token.expose())
            .customize()
            .interceptor(probe.clone())
            .send();
        let output = self.clients.answer(&reached, &asked, sent).await?;
        let request_id = output.request_id().map(str::to_owned);
        let arn = output.assumed_role_user.map(|user| user.arn);
        let answer = taken(output.credentials, arn);
        self.issue(answer, Some((&call.role_arn, session_name)), call.duration, &probe, (request_id, &asked))
    }
}
