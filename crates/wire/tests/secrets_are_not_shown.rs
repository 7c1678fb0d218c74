//! Messages are shown in traces and by failed tests; what somebody could log in with is not.

use wire::message::alter_user_scram_credentials::ScramCredentialUpsertion;
use wire::message::create_delegation_token::CreateDelegationTokenResponse;
use wire::message::describe_delegation_token::DescribedDelegationToken;
use wire::message::{
    AlterUserScramCredentialsRequest, ExpireDelegationTokenRequest, RenewDelegationTokenRequest,
    SaslAuthenticateRequest, SaslAuthenticateResponse, alter_configs, incremental_alter_configs,
};

const BYTES: &[u8] = &[173, 174];
const TEXT: &str = "a secret";

#[test]
fn messages_do_not_show_what_somebody_could_log_in_with() {
    // Could break: a trace that hands out passwords.
    let upsertion = ScramCredentialUpsertion {
        name: "a user".into(),
        salt: BYTES.into(),
        salted_password: BYTES.into(),
        ..Default::default()
    };
    let scram = AlterUserScramCredentialsRequest { upsertions: vec![upsertion].into(), ..Default::default() };
    let created =
        CreateDelegationTokenResponse { token_id: TEXT.into(), hmac: BYTES.into(), ..Default::default() };
    let described =
        DescribedDelegationToken { token_id: TEXT.into(), hmac: BYTES.into(), ..Default::default() };
    let replaced = alter_configs::AlterableConfig { value: Some(TEXT.into()), ..Default::default() };
    let altered =
        incremental_alter_configs::AlterableConfig { value: Some(TEXT.into()), ..Default::default() };
    let shown = [
        format!("{scram:?}"),
        format!("{created:?}"),
        format!("{described:?}"),
        format!("{:?}", ExpireDelegationTokenRequest { hmac: BYTES.into(), ..Default::default() }),
        format!("{:?}", RenewDelegationTokenRequest { hmac: BYTES.into(), ..Default::default() }),
        format!("{:?}", SaslAuthenticateRequest { auth_bytes: BYTES.into() }),
        format!("{:?}", SaslAuthenticateResponse { auth_bytes: BYTES.into(), ..Default::default() }),
        format!("{replaced:?}"),
        format!("{altered:?}"),
    ];
    for text in &shown {
        assert!(text.contains("REDACTED"), "{text}");
        assert!(!["173", "174", TEXT].iter().any(|secret| text.contains(secret)), "{text}");
    }
    assert!(shown[0].contains("a user"), "{}", shown[0]);
}
