//! Session tokens: JWTs that name a session and when it ends, signed with a key that is sealed in the database. What else a
//! session is stands in its row.

use crate::connections::readers::Readers;
use crate::connections::writer::{Batched, Writer};
use crate::error::StoreError;
use crate::error::VaultError;
use crate::id::SessionId;
use crate::sql;
use crate::sql::statements;
use crate::tenancy::vault::{TOKEN_KEY_NAME, TokenKey, Vault};
use crate::time::Time;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{Error as SignatureError, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use ring::hmac;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const ISSUER: &str = "tollgate";
/// The only one that is issued, and the only one that is taken.
const ALGORITHM: Algorithm = Algorithm::HS256;

/// Why a text is no token of a session that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRefused {
    /// Malformed, not signed here, or of a session that was taken back.
    Invalid,
    /// Signed here, and past its time.
    Expired,
}

/// Issues tokens, and reads them.
pub(crate) struct Tokens {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(…)")
    }
}

/// Times are whole seconds since 1970.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    iat: u64,
    exp: u64,
}

impl Tokens {
    /// With the key of this database, which is made on the first start.
    pub(crate) async fn open(
        vault: &Vault,
        readers: &Readers,
        writer: &Writer<impl Batched>,
    ) -> Result<Self, VaultError> {
        let sealed: Option<Vec<u8>> = readers
            .optional_scalar(sql::query(statements::META).bind(TOKEN_KEY_NAME))
            .await
            .map_err(|_| VaultError::Unchecked)?;
        if let Some(sealed) = sealed {
            return Ok(Self::new(&vault.token_key(&sealed)?));
        }
        let key = TokenKey::new();
        let sealed = vault.sealed_token_key(&key);
        let set = writer.write(move |transaction| {
            sql::query(statements::SET_META)
                .bind(TOKEN_KEY_NAME)
                .bind(&sealed)
                .execute(transaction)?;
            Ok(())
        });
        set.await.map_err(|_| VaultError::Unchecked)?;
        Ok(Self::new(&key))
    }

    fn new(key: &TokenKey) -> Self {
        // There is one in a process, and this is it, whichever store comes first.
        let _ = HS256_ONLY.install_default();
        let mut validation = Validation::new(ALGORITHM);
        validation.leeway = 0;
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        Self {
            signing: EncodingKey::from_secret(key.expose()),
            verifying: DecodingKey::from_secret(key.expose()),
            validation,
        }
    }

    /// A token of a session.
    pub(crate) fn issue(
        &self,
        session: SessionId,
        created_at: Time,
        expires_at: Time,
    ) -> Result<String, StoreError> {
        // Not before the session ends: to the microsecond its row says when.
        let after = expires_at.after(Duration::from_micros(999_999));
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: session.to_string(),
            iat: seconds(created_at),
            exp: seconds(after),
        };
        encode(&Header::new(ALGORITHM), &claims, &self.signing)
            .map_err(|error| StoreError::Refusing(format!("a token cannot be signed: {error}")))
    }

    /// The session that a token is of.
    pub(crate) fn read(&self, token: &str) -> Result<SessionId, TokenRefused> {
        let read = decode::<Claims>(token, &self.verifying, &self.validation);
        let read = read.map_err(|error| match error.kind() {
            // Claims are looked at once the signature is known to be good.
            ErrorKind::ExpiredSignature => TokenRefused::Expired,
            _ => TokenRefused::Invalid,
        })?;
        read.claims.sub.parse().map_err(|_| TokenRefused::Invalid)
    }
}

fn seconds(time: Time) -> u64 {
    let since = SystemTime::from(time).duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// All the cryptography that tokens need: any other algorithm is refused here, too.
static HS256_ONLY: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| {
        let signer: Box<dyn JwtSigner> = Box::new(Hs256::new(*algorithm, key.as_bytes())?);
        Ok(signer)
    },
    verifier_factory: |algorithm, key| {
        let verifier: Box<dyn JwtVerifier> =
            Box::new(Hs256::new(*algorithm, key.try_get_as_bytes()?)?);
        Ok(verifier)
    },
    key_utils: KeyUtils::new_unimplemented(),
};

struct Hs256(hmac::Key);

impl Hs256 {
    fn new(algorithm: Algorithm, key: &[u8]) -> Result<Self, Error> {
        match algorithm {
            ALGORITHM => Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, key))),
            _ => Err(ErrorKind::InvalidAlgorithm.into()),
        }
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        // In constant time.
        hmac::verify(&self.0, message, signature).map_err(|_| SignatureError::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        ALGORITHM
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        ALGORITHM
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::BASE64URL_NOPAD;
    use serde_json::{Value, json};

    const HOUR: Duration = Duration::from_secs(3600);

    /// Any header and claims, signed as HS256 is.
    fn signed(key: &TokenKey, header: &Value, claims: &Value) -> String {
        let part = |part: &Value| BASE64URL_NOPAD.encode(part.to_string().as_bytes());
        let message = format!("{}.{}", part(header), part(claims));
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
        let signature = hmac::sign(&key, message.as_bytes());
        format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    #[test]
    fn a_token_is_read_until_its_time_is_past() {
        let tokens = Tokens::new(&TokenKey::new());
        let (session, now) = (SessionId::new(), Time::now());
        let token = tokens.issue(session, now, now.after(HOUR)).expect("signed");
        assert_eq!(tokens.read(&token), Ok(session));
        let past = now.before(Duration::from_secs(2));
        let token = tokens.issue(session, past, past).expect("signed");
        assert_eq!(tokens.read(&token), Err(TokenRefused::Expired));
        let elsewhere = Tokens::new(&TokenKey::new());
        assert_eq!(elsewhere.read(&token), Err(TokenRefused::Invalid));
    }

    #[test]
    fn what_was_not_signed_here_as_it_is_is_invalid() {
        let key = TokenKey::new();
        let tokens = Tokens::new(&key);
        let (session, now) = (SessionId::new(), Time::now());
        let hour = seconds(now.after(HOUR));
        let header = json!({"typ": "JWT", "alg": "HS256"});
        let claims = json!({"iss": ISSUER, "sub": session.to_string(), "iat": 0, "exp": hour});
        let good = signed(&key, &header, &claims);
        assert_eq!(tokens.read(&good), Ok(session));
        let (message, signature) = good.rsplit_once('.').expect("three parts");
        let with = |name: &str, value: Value| {
            let mut claims = claims.clone();
            claims[name] = value;
            signed(&key, &header, &claims)
        };
        let alg = |alg: &str| signed(&key, &json!({"typ": "JWT", "alg": alg}), &claims);
        let cases = [
            ("empty", String::new()),
            ("no token", "nonsense".to_owned()),
            ("dots", "..".to_owned()),
            ("no signature", format!("{message}.")),
            ("two parts", message.to_owned()),
            ("four parts", format!("{good}.{signature}")),
            ("cut", good[..good.len() - 1].to_owned()),
            ("another key", signed(&TokenKey::new(), &header, &claims)),
            ("none", alg("none")),
            ("none, unsigned", alg("none").replace(signature, "")),
            ("HS512", alg("HS512")),
            ("RS256", alg("RS256")),
            ("an unknown algorithm", alg("HS257")),
            ("another issuer", with("iss", json!("tollgate2"))),
            ("no issuer", with("iss", Value::Null)),
            ("no end", with("exp", Value::Null)),
            ("an end that is none", with("exp", json!("later"))),
            ("no session", with("sub", Value::Null)),
            (
                "a run",
                with("sub", json!("run_06bqk8m0000000000000000000")),
            ),
        ];
        for (label, token) in cases {
            assert_eq!(tokens.read(&token), Err(TokenRefused::Invalid), "{label}");
        }
        for at in 0..good.len() {
            let mut flipped = good.clone().into_bytes();
            flipped[at] ^= 1;
            let flipped = String::from_utf8(flipped).expect("ASCII");
            assert_eq!(
                tokens.read(&flipped),
                Err(TokenRefused::Invalid),
                "byte {at}"
            );
        }
    }
}
