//! A server of names, which answers as a test tells it to and keeps what it was asked.

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// A name, in lower case and with the dot of the root at its end, and what was asked of it.
pub(super) type Question = (String, RecordType);

/// The server. Dropped, it is gone.
pub(super) struct Names {
    /// Where to ask it, over UDP.
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<Question>>>,
    answering: JoinHandle<()>,
}

impl Names {
    /// `answer` is given a name, `A` or `AAAA`, and how many times that was asked before. It gives all addresses of
    /// the name, of which those of the type are told, good for no time; nothing where there is no such name.
    pub(super) async fn answering<F>(answer: F) -> Self
    where
        F: Fn(&str, RecordType, usize) -> Option<Vec<IpAddr>> + Send + 'static,
    {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("bound");
        let asked: Arc<Mutex<Vec<Question>>> = Arc::default();
        let answering = tokio::spawn(serve(socket, Arc::clone(&asked), answer));
        Self {
            address,
            asked,
            answering,
        }
    }

    /// The questions so far.
    pub(super) fn asked(&self) -> Vec<Question> {
        self.asked.lock().expect("nobody panicked").clone()
    }

    /// The names that were asked for so far, each once, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.asked().into_iter().map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        names
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

async fn serve<F>(socket: UdpSocket, asked: Arc<Mutex<Vec<Question>>>, answer: F)
where
    F: Fn(&str, RecordType, usize) -> Option<Vec<IpAddr>>,
{
    let mut buffer = vec![0; 4096];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let Ok(request) = Message::from_vec(&buffer[..length]) else {
            continue;
        };
        let response = respond(&request, |question| {
            let mut asked = asked.lock().expect("nobody panicked");
            let before = asked.iter().filter(|it| *it == question).count();
            asked.push(question.clone());
            answer(&question.0, question.1, before)
        });
        let bytes = response.to_vec().expect("it can be written");
        let _ = socket.send_to(&bytes, from).await;
    }
}

fn respond(request: &Message, answer: impl FnOnce(&Question) -> Option<Vec<IpAddr>>) -> Message {
    let mut response = Message::response(request.metadata.id, request.metadata.op_code);
    response.metadata.recursion_desired = request.metadata.recursion_desired;
    response.metadata.recursion_available = true;
    let Some(query) = request.queries.first() else {
        response.metadata.response_code = ResponseCode::FormErr;
        return response;
    };
    response.add_query(query.clone());
    let question = (query.name().to_ascii().to_lowercase(), query.query_type());
    let Some(addresses) = answer(&question) else {
        response.metadata.response_code = ResponseCode::NXDomain;
        return response;
    };
    let data = addresses.into_iter().map(|address| match address {
        IpAddr::V4(address) => RData::A(address.into()),
        IpAddr::V6(address) => RData::AAAA(address.into()),
    });
    let asked_for = data.filter(|it| it.record_type() == query.query_type());
    response.add_answers(asked_for.map(|it| Record::from_rdata(query.name().clone(), 0, it)));
    response
}
