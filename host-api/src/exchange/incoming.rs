//! What comes back from a host that secrets may go to: a secret that stands in it becomes as many `*`.

use super::rewrite::{self, Places, Rewriter, Texts};
use super::spellings;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;

/// The secrets a host may have been told, in all their forms. Clones share them.
#[derive(Debug, Clone)]
pub struct Masks {
    texts: Arc<Texts>,
    /// As they would stand in a header's name.
    names: Arc<Texts>,
}

impl Masks {
    /// Nothing where there is no secret.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Option<Self> {
        let (mut texts, mut names) = (Vec::new(), Vec::new());
        for secret in secrets {
            for (form, text) in spellings(secret) {
                if ["raw", "hex"].contains(&form) {
                    names.push(text.to_ascii_lowercase());
                }
                texts.push(text);
            }
        }
        let made = |mut texts: Vec<Vec<u8>>| {
            texts.retain(|text| !text.is_empty());
            texts.sort_unstable();
            texts.dedup();
            Arc::new(Texts::new(texts))
        };
        (!texts.is_empty()).then(|| Self {
            texts: made(texts),
            names: made(names),
        })
    }

    /// Masks secrets in headers or trailers. One that has a secret for its name goes.
    pub(crate) fn headers(&self, headers: &mut HeaderMap) {
        let is_secret = |name: &&HeaderName| {
            let name = name.as_str().as_bytes();
            rewrite::first_in(&self.names, name).is_some()
        };
        let secret: Vec<_> = headers.keys().filter(is_secret).cloned().collect();
        secret.iter().for_each(|name| {
            headers.remove(name);
        });
        for value in headers.values_mut() {
            let Ok(masked) = rewrite::whole(&self.texts, value.as_bytes(), Stars::default());
            if let Some(masked) = masked
                && let Ok(masked) = HeaderValue::from_bytes(&masked)
            {
                *value = masked;
            }
        }
    }
}

/// A response's body on its way in.
#[derive(Debug)]
pub struct IncomingBody {
    masks: Masks,
    rewriter: Rewriter,
}

impl IncomingBody {
    /// A body that has not begun.
    pub fn new(masks: Masks) -> Self {
        Self {
            masks,
            rewriter: Rewriter::default(),
        }
    }

    /// What the guest gets of a chunk and what was held back before.
    pub fn push(&mut self, chunk: Bytes) -> Bytes {
        let stars = Stars::default();
        let Ok(masked) = self.rewriter.push(&self.masks.texts, chunk, stars);
        masked
    }

    /// What was held back, at the body's end.
    pub fn finish(&mut self) -> Bytes {
        self.rewriter.finish()
    }
}

/// Where stars go: places that are apart from each other, in order.
#[derive(Default)]
struct Stars {
    places: Vec<Range<usize>>,
}

impl Places for Stars {
    type Refused = Infallible;

    fn found(&mut self, _: usize, mut place: Range<usize>) -> Result<(), Infallible> {
        while let Some(last) = self.places.last()
            && last.end >= place.start
        {
            place.start = place.start.min(last.start);
            self.places.pop();
        }
        self.places.push(place);
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn rewrite(self, bytes: &mut [u8]) {
        for place in self.places {
            bytes[place].fill(b'*');
        }
    }
}
