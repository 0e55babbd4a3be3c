//! What comes back from a host that secrets may go to: a secret that stands in it becomes as many `*`.

use super::outgoing::Whither;
use super::rewrite::{Rewriter, Texts};
use super::{RunSecrets, spellings};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;

/// The secrets a host may have been told, in all their forms.
#[derive(Debug, Clone)]
pub(crate) struct Masks {
    texts: Arc<Texts>,
}

impl Masks {
    /// Nothing where no secret may go.
    pub(crate) fn of(secrets: &RunSecrets, from: &Whither) -> Option<Self> {
        let told = (0..secrets.all.len()).filter(|index| from.is_open_to(secrets, *index));
        let mut texts: Vec<Vec<u8>> = told
            .flat_map(|index| spellings(secrets.all[index].secret()))
            .map(|(_, text)| text)
            .filter(|text| !text.is_empty())
            .collect();
        texts.sort_unstable();
        texts.dedup();
        (!texts.is_empty()).then(|| Self {
            texts: Arc::new(Texts::new(texts)),
        })
    }

    /// Masks secrets in headers or trailers.
    pub(crate) fn headers(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            let mut body = IncomingBody::new(self.clone());
            let mut bytes = body.push(Bytes::copy_from_slice(value.as_bytes())).to_vec();
            bytes.extend(body.finish());
            if bytes != value.as_bytes()
                && let Ok(masked) = HeaderValue::from_bytes(&bytes)
            {
                *value = masked;
            }
        }
    }
}

/// A response's body on its way in.
#[derive(Debug)]
pub(crate) struct IncomingBody {
    masks: Masks,
    rewriter: Rewriter,
}

impl IncomingBody {
    pub(crate) fn new(masks: Masks) -> Self {
        Self {
            masks,
            rewriter: Rewriter::default(),
        }
    }

    /// What the guest gets of a chunk and what was held back before.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Bytes {
        let mask = |_, place: &mut [u8]| {
            place.fill(b'*');
            Ok::<_, Infallible>(())
        };
        let Ok(masked) = self
            .rewriter
            .push(&self.masks.texts, Cow::Borrowed(&chunk), mask);
        match masked {
            Cow::Borrowed(_) => chunk,
            Cow::Owned(bytes) => Bytes::from(bytes),
        }
    }

    /// What was held back, at the body's end.
    pub(crate) fn finish(&mut self) -> Bytes {
        Bytes::from(self.rewriter.finish())
    }
}
