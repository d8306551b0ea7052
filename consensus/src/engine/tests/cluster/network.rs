//! What is between the nodes: messages, questions and answers on their way.

use super::Cluster;
use crate::input::Input;
use crate::message::Message;
use salus_primitives::ids::{BlockId, Height, View};
use std::sync::Arc;

/// What is on its way.
pub(super) enum Event {
    Deliver {
        to: usize,
        from: usize,
        message: Message,
    },
    Answer {
        to: usize,
        incarnation: u64,
        input: Input,
    },
    Ask {
        to: usize,
        from: usize,
        question: Question,
    },
}

/// What a node asks its peers.
#[derive(Clone)]
pub(super) enum Question {
    Body(BlockId),
    Certificates(View),
    Range(Height),
}

impl Cluster {
    pub(super) fn send(&mut self, from: usize, to: usize, message: &Message) {
        self.sent += 1;
        self.last_sent_at = self.now;
        let now = self.now;
        if self
            .loses
            .as_mut()
            .is_some_and(|loses| loses(now, from, to, message))
        {
            return;
        }
        let copies = 1 + u64::from(self.percent(self.weather.repeated_percent));
        for _ in 0..copies {
            if let Some(at) = self.arrival(from, to) {
                let message = message.clone();
                self.push(at, Event::Deliver { to, from, message });
            }
        }
    }

    /// When something sent now arrives, if it does.
    fn arrival(&mut self, from: usize, to: usize) -> Option<u64> {
        let lost = self.percent(self.weather.lost_percent);
        let (least, most) = self.weather.delay_ms;
        let delay = least + self.below(most - least + 1);
        let cut = self.apart.contains(&from) != self.apart.contains(&to);
        (!lost && !cut).then_some(self.now + delay)
    }

    pub(super) fn soon(&mut self, to: usize, input: Input) {
        let incarnation = self.nodes[to].incarnation;
        let at = self.now + self.below(5);
        self.push(
            at,
            Event::Answer {
                to,
                incarnation,
                input,
            },
        );
    }

    fn push(&mut self, at: u64, event: Event) {
        self.events += 1;
        self.queue.insert((at, self.events), event);
    }

    /// Asks one peer; the engine asks again if no answer comes.
    pub(super) fn ask(&mut self, from: usize, question: &Question) {
        self.sent += 1;
        self.last_sent_at = self.now;
        let step = 1 + self.below(self.nodes.len() as u64 - 1);
        let to = (from + usize::try_from(step).expect("small")) % self.nodes.len();
        if let Some(at) = self.arrival(from, to) {
            let question = question.clone();
            self.push(at, Event::Ask { to, from, question });
        }
    }

    pub(super) fn answer(&mut self, asked: usize, asker: usize, question: Question) {
        let node = &self.nodes[asked];
        let Some(engine) = &node.engine else {
            return;
        };
        let mut inputs = Vec::new();
        match question {
            Question::Certificates(from) => {
                let message = Message::Certificates(engine.certificates_from(from));
                self.send(asked, asker, &message);
            }
            Question::Body(id) => {
                let body = engine.body(&id).cloned().or_else(|| {
                    let mut ledger = node.ledger.iter();
                    ledger
                        .find(|(other, _, _)| *other == id)
                        .map(|(_, block, _)| Arc::clone(block))
                });
                inputs.extend(body.map(|body| Input::Bodies(vec![body])));
            }
            Question::Range(from) => {
                let first = usize::try_from(from.get())
                    .expect("small")
                    .saturating_sub(1);
                let range = node.ledger.get(first..).unwrap_or_default();
                let end = range
                    .iter()
                    .enumerate()
                    .filter(|(_, (_, _, certificate))| certificate.is_some())
                    .map(|(position, _)| position + 1)
                    .take_while(|length| *length <= 16)
                    .last();
                if let Some(range) = end.and_then(|end| range.get(..end)) {
                    let blocks = range
                        .iter()
                        .map(|(_, block, _)| Arc::clone(block))
                        .collect();
                    let finalization = range.iter().filter_map(|(_, _, c)| c.clone()).next_back();
                    inputs.extend(finalization.map(|finalization| Input::Range {
                        blocks,
                        finalization,
                    }));
                }
            }
        }
        if let Some(at) = self.arrival(asked, asker) {
            let incarnation = self.nodes[asker].incarnation;
            for input in inputs {
                self.push(
                    at,
                    Event::Answer {
                        to: asker,
                        incarnation,
                        input,
                    },
                );
            }
        }
    }
}
