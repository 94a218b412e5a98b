//! One route at one replica over one kind of connections: what is known of the change there.

use std::collections::BTreeMap;

use crate::answers::{Judgement, Side};
use crate::over::Over;
use crate::report::{Answers, Report, Sighting};

/// Where a change is looked for.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) watch: usize,
    pub(crate) replica: u32,
    pub(crate) over: Over,
    /// When the last probe was sent whose answer was not as wanted.
    after_ns: u64,
    /// The probe that began the row of answers that are as wanted.
    row: Option<(u64, u64, u64)>,
    in_row: u32,
    had_first: bool,
    relapses: u32,
    answers: BTreeMap<String, u64>,
    lost: Answers,
    stale: Answers,
    pub(crate) is_settled: bool,
}

impl Place {
    pub(crate) fn new(watch: usize, replica: u32, over: Over, now_ns: u64) -> Self {
        Self {
            watch,
            replica,
            over,
            after_ns: now_ns,
            row: None,
            in_row: 0,
            had_first: false,
            relapses: 0,
            answers: BTreeMap::new(),
            lost: Answers::default(),
            stale: Answers::default(),
            is_settled: false,
        }
    }

    /// Takes what came of a probe; returns what there is to report.
    pub(crate) fn take(
        &mut self,
        id: u64,
        judgement: Judgement,
        sent_ns: u64,
        heard_ns: u64,
        stable_after: u32,
    ) -> Vec<Report> {
        match judgement.side {
            Side::Neither => self.lost.add(sent_ns, heard_ns),
            Side::NotYet if self.had_first => self.lost.add(sent_ns, heard_ns),
            Side::Before if self.had_first => self.stale.add(sent_ns, heard_ns),
            _ => {}
        }
        *self.answers.entry(judgement.name).or_default() += 1;
        if !judgement.is_wanted {
            if self.row.take().is_some() {
                self.relapses += 1;
            }
            (self.in_row, self.after_ns) = (0, sent_ns);
            return vec![];
        }
        self.in_row += 1;
        let (after_ns, sent_ns, heard_ns) = *self.row.get_or_insert((self.after_ns, sent_ns, heard_ns));
        let sighting = Sighting { id, replica: self.replica, over: self.over, after_ns, sent_ns, heard_ns };
        let mut reports = vec![];
        if !std::mem::replace(&mut self.had_first, true) {
            reports.push(Report::First(sighting));
        }
        if self.in_row >= stable_after {
            reports.push(self.settle(id, true));
        }
        reports
    }

    /// Counts a probe that was sent, and whose answer is not waited for.
    pub(crate) fn leave(&mut self) {
        *self.answers.entry("in_flight".to_owned()).or_default() += 1;
    }

    /// Looks no longer, and says what is known.
    pub(crate) fn settle(&mut self, id: u64, is_stable: bool) -> Report {
        self.is_settled = true;
        let (after_ns, sent_ns, heard_ns) = self.row.unwrap_or((self.after_ns, 0, 0));
        Report::Settled {
            sighting: Sighting { id, replica: self.replica, over: self.over, after_ns, sent_ns, heard_ns },
            is_stable,
            relapses: self.relapses,
            answers: std::mem::take(&mut self.answers),
            lost: self.lost,
            stale: self.stale,
        }
    }
}
