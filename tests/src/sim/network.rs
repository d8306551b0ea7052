//! The links between nodes: they lose, delay, repeat and reorder, and are cut in one direction or both.

use super::event::{Content, Event, Parcel};
use super::node::Target;
use super::{Sim, plan::Filter};
use salus_consensus::message::Message;
use salus_node::replica::Input;
use salus_node::wire::Frame;
use salus_primitives::ids::{Epoch, View};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Which links carry what.
#[derive(Default)]
pub(super) struct Links {
    /// From, to: nothing arrives.
    cut: BTreeSet<(usize, usize)>,
    /// How long a node takes to answer, in milliseconds: all that it sends but proposals leaves so much later.
    answers_after: BTreeMap<usize, u64>,
    /// A node with a twin reaches these, and is reached by these, only.
    sides: BTreeMap<usize, BTreeSet<usize>>,
    /// All votes of these views are lost when they are first sent.
    lost_views: BTreeSet<(Epoch, View)>,
    pub(super) filter: Option<Filter>,
}

impl Links {
    fn carries(&self, from: usize, to: usize) -> bool {
        let side = |node: usize, other: usize| {
            self.sides
                .get(&node)
                .is_none_or(|side| side.contains(&other))
        };
        !self.cut.contains(&(from, to)) && side(from, to) && side(to, from)
    }

    fn pause(&self, from: usize, parcel: &Parcel) -> u64 {
        match parcel.content {
            Content::Frame(Frame::Consensus(Message::Proposal(_))) => 0,
            Content::Frame(_) | Content::Bytes(_) => {
                self.answers_after.get(&from).copied().unwrap_or(0)
            }
        }
    }

    fn loses(&self, frame: &Frame) -> bool {
        match frame {
            Frame::Consensus(Message::Vote { vote, .. }) => self
                .lost_views
                .contains(&(vote.statement.epoch(), vote.statement.view())),
            _ => false,
        }
    }
}

impl Sim {
    /// The nodes a frame is for. A node and its twin share a key, and never talk.
    pub(super) fn receivers(&self, from: usize, to: &Target) -> Vec<usize> {
        let own = self.network_key(from);
        (0..self.nodes.len())
            .filter(|other| {
                let key = self.network_key(*other);
                match to {
                    Target::All => key != own,
                    Target::One(wanted) => key == *wanted,
                }
            })
            .collect()
    }

    /// Sends a frame that an honest node made.
    pub(super) fn send(&mut self, from: usize, to: &Target, frame: &Frame) {
        let receivers = self.receivers(from, to);
        self.last_frame_ms = self.now_ms;
        let is_lost = self.links.loses(frame);
        let parcel = Rc::new(Parcel::of_frame(frame));
        for to in receivers {
            if is_lost {
                self.frames_sent += 1;
                self.count("votes_lost_at_once", 1);
                continue;
            }
            let Some(mut filter) = self.links.filter.take() else {
                self.post(from, to, 0, Rc::clone(&parcel));
                continue;
            };
            let changed = filter(from, to, frame.clone());
            self.links.filter = Some(filter);
            match changed {
                Some(frame) => self.post(from, to, 0, Rc::new(Parcel::of_frame(&frame))),
                None => self.frames_sent += 1,
            }
        }
    }

    /// Puts a parcel on one link, to leave after so many milliseconds.
    pub(super) fn post(&mut self, from: usize, to: usize, after_ms: u64, parcel: Rc<Parcel>) {
        self.frames_sent += 1;
        if !self.links.carries(from, to) {
            self.count("frames_cut", 1);
            return;
        }
        if self.below(100) < self.plan.loss_percent {
            self.count("frames_lost", 1);
            return;
        }
        let is_double = self.below(100) < self.plan.duplicate_percent;
        self.count("frames_repeated", u64::from(is_double));
        for _ in 0..1 + u64::from(is_double) {
            let span = self
                .plan
                .delay_ms_max
                .saturating_sub(self.plan.delay_ms_min)
                + 1;
            let delay = self.plan.delay_ms_min + self.below(span) + self.links.pause(from, &parcel);
            let parcel = Rc::clone(&parcel);
            self.schedule(after_ms + delay, Event::Deliver { to, from, parcel });
        }
    }

    /// Changes frames under way, or drops them: a validator that lies in what it is not signing. Nobody is to blame for
    /// what arrives from here on.
    pub fn set_filter(&mut self, filter: Filter) {
        self.links.filter = Some(filter);
        self.checks.excuse_blame();
    }

    /// Makes a node slow to answer, by so many milliseconds. Its own proposals leave at once.
    pub fn answer_after(&mut self, node: usize, ms: u64) {
        self.links.answers_after.insert(node, ms);
    }

    /// Makes a node slow to execute: each block takes it so many milliseconds, and what follows from it waits.
    pub fn execute_in(&mut self, node: usize, ms: u64) {
        self.executes_in_ms.insert(node, ms);
    }

    /// Cuts all links between two groups, in both directions.
    pub fn partition(&mut self, one: &[usize], other: &[usize]) {
        self.cut(one, other);
        self.cut(other, one);
    }

    /// Cuts all links from one group to another; what comes back still arrives.
    pub fn cut(&mut self, from: &[usize], to: &[usize]) {
        for a in from {
            for b in to {
                self.links.cut.insert((*a, *b));
            }
        }
    }

    /// Restores all links; connected nodes greet one another again, as after a reconnect.
    pub fn heal(&mut self) {
        let cut = std::mem::take(&mut self.links.cut);
        for (a, b) in cut {
            if self.nodes[a].is_running() && self.nodes[b].is_running() {
                let key = self.network_key(b);
                self.input(a, Input::Connected(key));
            }
        }
    }

    /// Lets a node reach, and be reached by, these only: one of two twins.
    pub(super) fn set_side(&mut self, node: usize, side: BTreeSet<usize>) {
        self.links.sides.insert(node, side);
    }

    /// Loses all votes of a view when they are first sent.
    pub(super) fn lose_votes_of(&mut self, epoch: Epoch, view: View) {
        self.links.lost_views.insert((epoch, view));
    }

    /// Loses no more views' votes.
    pub(super) fn lose_no_votes(&mut self) {
        self.links.lost_views.clear();
    }
}
