//! Buyers' secrets at rest: XChaCha20-Poly1305 under a key of the org's, which the master key wraps. What a secret
//! is for is authenticated with it, so that rows cannot be exchanged.

use crate::connections::readers::Readers;
use crate::connections::writer::{Batched, Writer};
use crate::error::{StoreError, VaultError};
use crate::id::OrgId;
use crate::sql;
use crate::sql::statements;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use data_encoding::HEXLOWER_PERMISSIVE;
use rand::Rng;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use std::fmt;
use zeroize::Zeroizing;

const NONCE_BYTES: usize = 24;
const KEY_BYTES: usize = 32;
type Key = [u8; KEY_BYTES];
pub(crate) const CHECK_NAME: &str = "master_key_check";
/// The key of session tokens in the table, and what is authenticated with it.
pub(crate) const TOKEN_KEY_NAME: &str = "token_key";
const CHECK_TEXT: &[u8] = b"tollgate";

/// The key that protects all others.
pub(crate) struct MasterKey(SecretBox<Key>);

impl MasterKey {
    pub(crate) fn new() -> Self {
        Self(fresh_key())
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?);
        let bytes: &Key = bytes.as_slice().try_into().ok()?;
        let copy = |key: &mut Key| key.copy_from_slice(bytes);
        Some(Self(SecretBox::init_with_mut(copy)))
    }

    pub(crate) fn text(&self) -> SecretString {
        HEXLOWER_PERMISSIVE.encode(self.0.expose_secret()).into()
    }
}

fn fresh_key() -> SecretBox<Key> {
    SecretBox::init_with_mut(|bytes: &mut Key| rand::rng().fill_bytes(bytes))
}

/// Seals and opens.
pub(crate) struct Vault {
    master: XChaCha20Poly1305,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

impl Vault {
    pub(crate) fn new(master: &MasterKey) -> Self {
        Self {
            master: cipher(&master.0),
        }
    }

    /// A vault whose master key opens what is there; on the first start, whose key will have to.
    pub(crate) async fn open(
        master: &MasterKey,
        readers: &Readers,
        writer: &Writer<impl Batched>,
    ) -> Result<Self, VaultError> {
        let vault = Self::new(master);
        let check: Option<Vec<u8>> = readers
            .optional_scalar(sql::query(statements::META).bind(CHECK_NAME))
            .await
            .map_err(|_| VaultError::Unchecked)?;
        match check {
            Some(sealed) if vault.opens_check(&sealed) => Ok(vault),
            Some(_) => Err(VaultError::WrongMasterKey),
            None => {
                let sealed = vault.sealed_check();
                let set = writer.write(move |transaction| {
                    sql::query(statements::SET_META)
                        .bind(CHECK_NAME)
                        .bind(&sealed)
                        .execute(transaction)?;
                    Ok(())
                });
                set.await.map_err(|_| VaultError::Unchecked)?;
                Ok(vault)
            }
        }
    }

    /// True if the check value was sealed with this master key.
    pub(crate) fn opens_check(&self, sealed: &[u8]) -> bool {
        let text = open(&self.master, sealed, CHECK_NAME.as_bytes());
        text.is_some_and(|text| *text == CHECK_TEXT)
    }

    /// The check value, by which master keys are told apart.
    pub(crate) fn sealed_check(&self) -> Vec<u8> {
        seal(&self.master, CHECK_TEXT, CHECK_NAME.as_bytes())
    }

    /// A fresh data key for an org, wrapped.
    pub(crate) fn new_data_key(&self, org: OrgId) -> Vec<u8> {
        seal(&self.master, fresh_key().expose_secret(), org.as_bytes())
    }

    /// An org's data key.
    pub(crate) fn data_key(&self, org: OrgId, wrapped: &[u8]) -> Result<DataKey, StoreError> {
        Ok(DataKey(cipher(&self.key(wrapped, org.as_bytes())?)))
    }

    /// The key that signs session tokens.
    pub(crate) fn token_key(&self, sealed: &[u8]) -> Result<TokenKey, VaultError> {
        self.key(sealed, TOKEN_KEY_NAME.as_bytes()).map(TokenKey)
    }

    /// The same key as it is kept.
    pub(crate) fn sealed_token_key(&self, key: &TokenKey) -> Vec<u8> {
        let key = key.0.expose_secret();
        seal(&self.master, key, TOKEN_KEY_NAME.as_bytes())
    }

    fn key(&self, sealed: &[u8], purpose: &[u8]) -> Result<SecretBox<Key>, VaultError> {
        let bytes = open(&self.master, sealed, purpose).ok_or(VaultError::Unopenable)?;
        let bytes: &Key = bytes
            .as_slice()
            .try_into()
            .map_err(|_| VaultError::Unopenable)?;
        Ok(SecretBox::init_with_mut(|key: &mut Key| {
            key.copy_from_slice(bytes)
        }))
    }
}

/// The key that session tokens are signed with.
pub(crate) struct TokenKey(SecretBox<Key>);

impl TokenKey {
    pub(crate) fn new() -> Self {
        Self(fresh_key())
    }

    pub(crate) fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

/// The key of one org's secrets.
pub(crate) struct DataKey(XChaCha20Poly1305);

impl DataKey {
    pub(crate) fn seal(&self, secret: &SecretString, purpose: &[u8]) -> Vec<u8> {
        seal(&self.0, secret.expose_secret().as_bytes(), purpose)
    }

    pub(crate) fn open(&self, sealed: &[u8], purpose: &[u8]) -> Result<SecretString, StoreError> {
        let bytes = open(&self.0, sealed, purpose).ok_or(VaultError::Unopenable)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| VaultError::Unopenable)?;
        Ok(text.into())
    }
}

fn cipher(key: &SecretBox<Key>) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.expose_secret().into())
}

/// A random nonce, then the sealed bytes.
fn seal(cipher: &XChaCha20Poly1305, plain: &[u8], purpose: &[u8]) -> Vec<u8> {
    let mut sealed = vec![0; NONCE_BYTES];
    rand::rng().fill_bytes(&mut sealed);
    let payload = Payload {
        msg: plain,
        aad: purpose,
    };
    let nonce = sealed.as_slice().into();
    #[expect(
        clippy::expect_used,
        reason = "the cipher fails above 256 GiB only; nothing here is larger than a secret"
    )]
    let text = cipher.encrypt(nonce, payload).expect("a short text");
    sealed.extend(text);
    sealed
}

fn open(cipher: &XChaCha20Poly1305, sealed: &[u8], purpose: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, text) = sealed.split_at_checked(NONCE_BYTES)?;
    let payload = Payload {
        msg: text,
        aad: purpose,
    };
    cipher
        .decrypt(nonce.into(), payload)
        .ok()
        .map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(master: &MasterKey) -> Vault {
        Vault::new(master)
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_key_and_purpose_only() {
        let (master, org) = (MasterKey::new(), OrgId::new());
        let wrapped = vault(&master).new_data_key(org);
        let key = vault(&master).data_key(org, &wrapped).expect("its own key");
        let sealed = key.seal(&"0123456789abcdef".into(), b"purpose");
        let opened = key.open(&sealed, b"purpose").expect("opens");
        assert_eq!(opened.expose_secret(), "0123456789abcdef");
        assert!(key.open(&sealed, b"another purpose").is_err());
        assert!(vault(&master).data_key(OrgId::new(), &wrapped).is_err());
        assert!(vault(&MasterKey::new()).data_key(org, &wrapped).is_err());
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert!(key.open(&flipped, b"purpose").is_err(), "byte {at}");
        }
        assert!(key.open(&sealed[..NONCE_BYTES - 1], b"purpose").is_err());
    }

    #[test]
    fn the_key_of_tokens_opens_with_its_master_key_only() {
        let (master, key) = (MasterKey::new(), TokenKey::new());
        let sealed = vault(&master).sealed_token_key(&key);
        let opened = vault(&master).token_key(&sealed).expect("opens");
        assert_eq!(opened.expose(), key.expose());
        assert!(vault(&MasterKey::new()).token_key(&sealed).is_err());
        let org = OrgId::new();
        let wrapped = vault(&master).new_data_key(org);
        assert!(vault(&master).token_key(&wrapped).is_err(), "an org's key");
    }

    #[test]
    fn a_master_key_is_64_hexadecimal_digits() {
        let key = MasterKey::new().text();
        assert!(MasterKey::parse(key.expose_secret()).is_some());
        for text in ["", "00", &"0".repeat(63), &"g".repeat(64), &"0".repeat(66)] {
            assert!(MasterKey::parse(text).is_none(), "{text}");
        }
    }
}
