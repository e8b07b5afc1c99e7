//! From a plan to its tasks: instances are made, files opened, channels connected. Nothing flows yet.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender, unbounded_channel};
use weir_checkpoint::align::{AlignMode, Aligner};
use weir_checkpoint::coordinator::TaskId;
use weir_checkpoint::manifest::OwnerEpoch;
use weir_checkpoint::store::Store;
use weir_connect::sink::{SinkStart, SinkWriter};
use weir_connect::source::SourceReader;
use weir_model::codec::Codec;
use weir_model::describe::FunctionKind;
use weir_model::element::Element;
use weir_model::graph::{NodeIndex, OnError};
use weir_model::id::{CheckpointId, OperatorUid, Parallelism, SubtaskIndex};
use weir_model::rows::Batch;
use weir_model::settings::{CheckpointMode, StateBackend};
use weir_model::time::SharedClock;
use weir_model::{Error, Result};
use weir_plugin::{Breakage, Identity, OperatorSubtask, OutputPort, Services, Subtask};
use weir_state::KeyedState;

use crate::chain::{Chain, Stage, Target, Work, bug};
use crate::checkpointing::HeldBack;
use crate::command::{Command, Link, Report, SwapSlot};
use crate::exchange::{Outbox, Scatter};
use crate::full_order::FullOrder;
use crate::gate::{ElementSender, InputGate, element_channel};
use crate::job::Shared;
use crate::metrics::{JobMetrics, NodeMetrics};
use crate::plan::{Edge, Exchange, Plan, PlannedKind, PlannedNode, PlannedOperator};
use crate::restore::Restored;
use crate::snapshot::SnapshotJob;
use crate::source_head::SourceHead;
use crate::task::{Checkpoints, Head, Task};
use crate::upload::{UploadNode, Uploader};
use crate::versions::subtask_of;

/// Everything that an attempt at a job needs to run.
pub(crate) struct Built {
    pub(crate) tasks: Vec<Task>,
    /// By task: where the coordinator says what it wants, whether a source is at its head, and who writes its snapshots.
    pub(crate) participants: Vec<Participant>,
    /// What the tasks tell the coordinator.
    pub(crate) reports: UnboundedReceiver<Report>,
    /// For whoever writes the snapshots.
    pub(crate) reporter: UnboundedSender<Report>,
    /// To be set when a task has failed.
    pub(crate) cancelled: Arc<AtomicBool>,
}

/// The coordinator's side of a task.
pub(crate) struct Participant {
    pub(crate) commands: UnboundedSender<Command>,
    pub(crate) is_source: bool,
    /// The task's nodes.
    pub(crate) nodes: Vec<usize>,
    pub(crate) subtask: u32,
    pub(crate) swap: SwapSlot,
    pub(crate) uploader: Uploader,
    pub(crate) jobs: UnboundedReceiver<SnapshotJob>,
}

/// What an attempt is built from.
pub(crate) struct Ground<'a> {
    pub(crate) shared: &'a Shared,
    /// What runs.
    pub(crate) plan: Arc<Plan>,
    /// The store and this attempt's number, in a job with checkpoints.
    pub(crate) checkpoints: Option<(&'a Arc<Store>, OwnerEpoch)>,
    /// Whether this is the first attempt ever; otherwise connectors find what an earlier one has left.
    pub(crate) is_fresh: bool,
    /// Output that is prepared and not to be committed yet.
    pub(crate) held_back: Option<&'a HeldBack>,
    /// Operators whose version is on trial.
    pub(crate) on_trial: &'a [OperatorUid],
}

/// The channels of the edges that leave a task: senders and receivers of each producing and consuming subtask.
#[derive(Default)]
struct Channels {
    /// By edge and producing subtask: a sender to each target.
    senders: BTreeMap<(usize, u32), Vec<ElementSender>>,
    /// By edge and consuming subtask.
    receivers: BTreeMap<(usize, u32), Vec<Receiver<Element>>>,
}

impl Channels {
    fn connect(plan: &Plan) -> Result<Self> {
        let mut channels = Self::default();
        for (number, edge) in plan.edges.iter().enumerate().filter(|(_, edge)| !edge.chained) {
            let consumers = plan.node(edge.to)?.parallelism;
            for producer in plan.node(edge.from)?.parallelism.subtasks() {
                for consumer in targets(edge.exchange, producer, consumers) {
                    let (sender, receiver) = element_channel();
                    channels.senders.entry((number, producer.0)).or_default().push(sender);
                    channels.receivers.entry((number, consumer.0)).or_default().push(receiver);
                }
            }
        }
        Ok(channels)
    }
}

/// The subtasks that a producing subtask sends to.
fn targets(exchange: Exchange, producer: SubtaskIndex, consumers: Parallelism) -> Vec<SubtaskIndex> {
    match exchange {
        Exchange::Forward => vec![producer],
        Exchange::Hash | Exchange::Rebalance => consumers.subtasks().collect(),
    }
}

/// The readers and writers of the connectors, by node and subtask.
#[derive(Default)]
struct Connectors {
    readers: BTreeMap<(usize, u32), SourceReader>,
    writers: BTreeMap<(usize, u32), SinkWriter>,
}

impl<'a> Ground<'a> {
    /// For a job without checkpoints.
    pub(crate) fn without_checkpoints(shared: &'a Shared) -> Self {
        Self { shared, plan: Arc::clone(&shared.plan), checkpoints: None, is_fresh: true, held_back: None, on_trial: &[] }
    }

    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn clock(&self) -> &'a SharedClock {
        &self.shared.options.clock
    }
}

/// Makes the tasks of a plan.
///
/// # Errors
/// When a file is missing, an instance can't be opened, or a sink can't be written.
pub(crate) async fn build(ground: &Ground<'_>, mut restored: Restored) -> Result<Built> {
    let plan = ground.plan();
    let mut bytes_total = Some(0);
    let mut connectors = Connectors::default();
    // Sources first: a job whose input is missing must not leave empty output behind.
    for (number, node) in plan.nodes.iter().enumerate() {
        if let PlannedKind::Source(config) = &node.kind {
            let positions = restored.positions.get(&number).map(Vec::as_slice);
            let opened = config.open(&node.uid, node.parallelism, ground.clock(), positions)?;
            bytes_total = bytes_total.zip(opened.bytes_total).map(|(a, b): (u64, u64)| a + b);
            connectors.readers.extend((0..).zip(opened.readers).map(|(subtask, reader)| ((number, subtask), reader)));
        }
    }
    ground.shared.metrics.set_bytes_total(bytes_total);
    let (reporter, reports) = unbounded_channel();
    let mut builder = Builder {
        ground,
        channels: Channels::connect(plan)?,
        connectors,
        cancelled: Arc::default(),
        restored: &mut restored,
        reporter: reporter.clone(),
        participants: Vec::new(),
    };
    builder.check_operators()?;
    for (number, node) in plan.nodes.iter().enumerate() {
        if let PlannedKind::Sink(config) = &node.kind {
            let input = plan.sink_port(NodeIndex(number))?;
            let states = builder.restored.positions.get(&number).map(Vec::as_slice).unwrap_or_default();
            let start = match ground.held_back {
                _ if ground.is_fresh => SinkStart::Fresh { checkpoints: ground.checkpoints.is_some() },
                Some(held_back) => SinkStart::HeldBack { states, handles: held_back.sink(&node.uid) },
                None => SinkStart::Restored(states),
            };
            let writers = config.open(&node.uid, node.parallelism, &input, ground.clock(), start).await?;
            builder.connectors.writers.extend((0..).zip(writers).map(|(subtask, writer)| ((number, subtask), writer)));
        }
    }
    let mut tasks = Vec::new();
    for chain in &plan.chains {
        let Some(head) = chain.first() else { continue };
        for subtask in plan.node(*head)?.parallelism.subtasks() {
            tasks.push(builder.task(chain, subtask)?);
        }
    }
    let (cancelled, participants) = (Arc::clone(&builder.cancelled), builder.participants);
    Ok(Built { tasks, participants, reports, reporter, cancelled })
}

/// Sees that every sink could start anew, and removes what it may replace.
///
/// # Errors
/// When one of them is occupied, in use or can't be written.
pub(crate) async fn check_sinks(shared: &Shared) -> Result<()> {
    let plan = &shared.plan;
    for (number, node) in plan.nodes.iter().enumerate() {
        if let PlannedKind::Sink(config) = &node.kind {
            let input = plan.sink_port(NodeIndex(number))?;
            let start = SinkStart::Fresh { checkpoints: true };
            config.open(&node.uid, node.parallelism, &input, &shared.options.clock, start).await?;
        }
    }
    Ok(())
}

/// How the names of working folders begin, before the process's number.
const WORKING_PREFIX: &str = "weir-state-";

/// Removes working folders of processes that were killed. What can't be looked at or removed stays.
fn remove_left_behind(root: &Path) {
    let processes = Path::new("/proc");
    // Without it nobody knows who is still alive.
    if !processes.join(std::process::id().to_string()).exists() {
        return;
    }
    for folder in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let name = folder.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(WORKING_PREFIX)?.split('-').next());
        let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if process.filter(is_number).is_some_and(|process| !processes.join(process).exists()) {
            let _ = std::fs::remove_dir_all(folder.path());
        }
    }
}

/// The metrics of a plan's nodes, at zero.
pub(crate) fn job_metrics(plan: &Plan) -> Arc<JobMetrics> {
    Arc::new(JobMetrics::new(plan.nodes.iter().map(node_metrics).collect()))
}

/// The empty state of a subtask of a keyed node.
///
/// # Errors
/// When its folder can't be made, on a disk.
pub(crate) fn new_state(plan: &Plan, seed: u64, node: &PlannedNode, subtask: SubtaskIndex) -> Result<KeyedState> {
    let states = match &node.kind {
        PlannedKind::Operator(operator) if node.is_keyed() => operator.function.states.as_slice(),
        _ => &[],
    };
    let state = KeyedState::new(states, seed ^ u64::from(subtask.0));
    let state = if plan.checkpointing.is_some() { state.tracked(plan.max_parallelism) } else { state };
    if plan.state.backend == StateBackend::Memory || !node.is_keyed() {
        return Ok(state);
    }
    let folder = working_folder(plan, node, subtask);
    state.on_disk(&folder, plan.state.memory_bytes).map_err(|error| {
        let what = format!("operator {}: its state can't be kept in {}", node.uid, folder.display());
        Error::usage(what, error.to_string(), "set `local-dir` in [state] to a folder with room that weir may write to")
    })
}

/// Opens an instance of an operator for one subtask, with its output ports, over its state.
///
/// # Errors
/// When it can't be started.
pub(crate) fn open_operator(
    plan: &Plan,
    node: &PlannedNode,
    operator: &PlannedOperator,
    (subtask, ports, state): (SubtaskIndex, Vec<OutputPort>, KeyedState),
    from: Option<CheckpointId>,
) -> Result<OperatorSubtask> {
    let uid = node.uid.as_str();
    let identity = Identity { uid: uid.to_owned(), function: operator.function.name.clone(), digest: operator.digest.to_string() };
    let place = Subtask { checkpoint: from.map_or(0, |from| from.0), ..subtask_of(plan, node, operator, subtask.0) };
    let guest = (operator.guests)(place, operator.limits).map_err(|breakage| {
        // No error policy helps against a trap in `open`.
        let remedy = if let Breakage::Trap(why) = &breakage { &Breakage::Open(why.clone()) } else { &breakage };
        identity.error(format!("it can't be started: {breakage}"), Some(remedy))
    })?;
    let services = Services::new(uid, ports, operator.limits, state);
    Ok(OperatorSubtask::new(identity, &operator.function, operator.on_error, guest, services))
}

/// A folder of its own for the working files of a subtask's state; nobody needs them after the process.
fn working_folder(plan: &Plan, node: &PlannedNode, subtask: SubtaskIndex) -> PathBuf {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let root = plan.state.local_dir.clone().unwrap_or_else(std::env::temp_dir);
    if number == 0 {
        remove_left_behind(&root);
    }
    root.join(format!("{WORKING_PREFIX}{}-{number}-{}-{subtask}", std::process::id(), node.uid))
}

fn node_metrics(node: &PlannedNode) -> NodeMetrics {
    let subtasks = node.parallelism.subtasks().map(|_| Arc::default()).collect();
    NodeMetrics { uid: node.uid.clone(), subtasks, counters: std::sync::Mutex::default() }
}

struct Builder<'a, 'r> {
    ground: &'a Ground<'a>,
    channels: Channels,
    connectors: Connectors,
    cancelled: Arc<AtomicBool>,
    restored: &'r mut Restored,
    reporter: UnboundedSender<Report>,
    participants: Vec<Participant>,
}

impl Builder<'_, '_> {
    /// Opens each operator once before a sink is touched: an operator that can't start must not leave output folders behind.
    fn check_operators(&self) -> Result<()> {
        for (number, node) in self.ground.plan().nodes.iter().enumerate() {
            if let PlannedKind::Operator(operator) = &node.kind {
                self.operator(NodeIndex(number), node, operator, SubtaskIndex(0), KeyedState::new(&[], 0))?;
            }
        }
        Ok(())
    }

    fn task(&mut self, chain: &[NodeIndex], subtask: SubtaskIndex) -> Result<Task> {
        let Some((head_index, _)) = chain.split_first() else {
            return Err(bug("the plan", "has an empty chain"));
        };
        let head_node = self.ground.plan().node(*head_index)?;
        let is_source = matches!(head_node.kind, PlannedKind::Source(_));
        // A source isn't a stage: it is where the task's records come from.
        let staged: Vec<NodeIndex> = chain.iter().copied().skip(usize::from(is_source)).collect();
        let mut outboxes = Vec::new();
        let mut stages = Vec::new();
        let mut source_targets = Vec::new();
        for index in chain {
            let targets = self.targets(*index, subtask, &staged, &mut outboxes)?;
            if is_source && index == head_index {
                source_targets = targets.into_iter().next().unwrap_or_default();
            } else {
                stages.push(self.stage(*index, subtask, targets)?);
            }
        }
        let head = if is_source {
            let reader = self.connectors.readers.remove(&(head_index.0, subtask.0));
            let reader = reader.ok_or_else(|| bug(format!("source {}", head_node.uid), format!("has no reader for subtask {subtask}")))?;
            let metrics = self.subtask_metrics(*head_index, subtask)?;
            Head::Source(SourceHead {
                reader: Box::new(reader),
                targets: source_targets,
                metrics,
                stop: self.ground.shared.stop.clone(),
                ended: false,
            })
        } else {
            Head::Gate(self.gate(*head_index, subtask))
        };
        let checkpoints = match self.ground.checkpoints {
            None => None,
            Some((store, owner)) => Some(self.participate(chain, subtask, is_source, store, owner)?),
        };
        Ok(Task {
            head,
            restored: self.take_in_flight(&staged, subtask),
            chain: Chain::new(stages, outboxes, Arc::clone(self.ground.clock())),
            nodes: staged.iter().map(|index| index.0).collect(),
            subtask: subtask.0,
            clock: Arc::clone(self.ground.clock()),
            cancelled: Arc::clone(&self.cancelled),
            checkpoints,
        })
    }

    /// Overtaken batches for the stages of a task, those of the last stage first: they are older than whatever the stages before it make of theirs.
    fn take_in_flight(&mut self, staged: &[NodeIndex], subtask: SubtaskIndex) -> Vec<(Target, Batch)> {
        let mut all = Vec::new();
        for (stage, node) in staged.iter().enumerate().rev() {
            let batches = self.restored.in_flight.remove(&(node.0, subtask.0)).unwrap_or_default();
            all.extend(batches.into_iter().map(|(input, batch)| (Target::Stage { stage, input }, batch)));
        }
        all
    }

    /// Connects a task with the coordinator.
    fn participate(
        &mut self,
        chain: &[NodeIndex],
        subtask: SubtaskIndex,
        is_source: bool,
        store: &Arc<Store>,
        owner: OwnerEpoch,
    ) -> Result<Checkpoints> {
        let plan = self.ground.plan();
        let task = TaskId(self.participants.len() as u32);
        let (commands, commanded) = unbounded_channel();
        let (jobs, to_write) = unbounded_channel();
        let mut nodes = Vec::new();
        for index in chain {
            let node = plan.node(*index)?;
            let files = self.restored.files.remove(&(index.0, subtask.0)).unwrap_or_default();
            let states = match &node.kind {
                PlannedKind::Operator(operator) => operator.function.states.clone(),
                PlannedKind::Source(_) | PlannedKind::Sink(_) => Vec::new(),
            };
            // The first snapshot has nothing to build on, but after a restore.
            let needs_full = Arc::new(FullOrder::new(files.is_empty() || !plan.state.incremental));
            let key_groups = if node.is_keyed() { plan.max_parallelism.range(subtask, node.parallelism) } else { 0..0 };
            nodes.push(UploadNode { node: index.0, uid: node.uid.clone(), states, files, key_groups, needs_full });
        }
        let flags = nodes.iter().map(|node| Arc::clone(&node.needs_full)).collect();
        let link = Link::new(task, commanded, self.reporter.clone(), jobs, flags);
        let numbers = chain.iter().map(|index| index.0).collect();
        let (store, clock, incremental) = (Arc::clone(store), Arc::clone(self.ground.clock()), plan.state.incremental);
        let uploader = Uploader { task, subtask, nodes, store, clock, owner, incremental };
        let swap = SwapSlot::default();
        let staged = chain.iter().skip(usize::from(is_source)).enumerate();
        let is_on_trial = |index: &NodeIndex| plan.node(*index).is_ok_and(|node| self.ground.on_trial.contains(&node.uid));
        let on_trial = staged.filter(|(_, index)| is_on_trial(index)).map(|(stage, _)| stage).collect();
        let handback = Arc::clone(&self.ground.shared.handback);
        let participant = Participant { commands, is_source, nodes: numbers, subtask: subtask.0, swap: Arc::clone(&swap), uploader, jobs: to_write };
        self.participants.push(participant);
        Ok(Checkpoints::new(link, self.restored.from.is_some(), swap, on_trial, handback))
    }

    fn subtask_metrics(&self, node: NodeIndex, subtask: SubtaskIndex) -> Result<Arc<crate::metrics::SubtaskMetrics>> {
        let metrics = self.ground.shared.metrics.nodes.get(node.0).and_then(|node| node.subtasks.get(subtask.as_usize()));
        metrics.cloned().ok_or_else(|| bug("the metrics", format!("have no node {} subtask {subtask}", node.0)))
    }

    /// Where each output port of a node goes, with an outbox for everything that leaves the task.
    fn targets(&mut self, node: NodeIndex, subtask: SubtaskIndex, staged: &[NodeIndex], outboxes: &mut Vec<Outbox>) -> Result<Vec<Vec<Target>>> {
        let planned = self.ground.plan().node(node)?;
        let mut targets = vec![Vec::new(); planned.outputs.len()];
        for (number, edge) in self.ground.plan().edges.iter().enumerate().filter(|(_, edge)| edge.from == node) {
            let target = if edge.chained {
                let stage = staged.iter().position(|index| *index == edge.to);
                Target::Stage { stage: stage.ok_or_else(|| bug("the plan", "chains a node outside of its chain"))?, input: edge.input }
            } else {
                outboxes.push(self.outbox(number, edge, subtask)?);
                Target::Outbox(outboxes.len() - 1)
            };
            if let Some(port) = targets.get_mut(edge.output) {
                port.push(target);
            }
        }
        Ok(targets)
    }

    fn outbox(&mut self, number: usize, edge: &Edge, subtask: SubtaskIndex) -> Result<Outbox> {
        let senders = self.channels.senders.remove(&(number, subtask.0)).unwrap_or_default();
        let scatter = match edge.exchange {
            Exchange::Forward => Scatter::One,
            Exchange::Rebalance => Scatter::Rebalance,
            Exchange::Hash => Scatter::hash(self.ground.plan().max_parallelism, self.ground.plan().node(edge.to)?.parallelism),
        };
        Ok(Outbox::new(scatter, senders))
    }

    fn gate(&mut self, node: NodeIndex, subtask: SubtaskIndex) -> InputGate {
        let mut channels = Vec::new();
        for (number, edge) in self.ground.plan().edges.iter().enumerate().filter(|(_, edge)| edge.to == node && !edge.chained) {
            let receivers = self.channels.receivers.remove(&(number, subtask.0)).unwrap_or_default();
            channels.extend(receivers.into_iter().map(|receiver| (receiver, edge.input)));
        }
        let mode = match &self.ground.plan().checkpointing {
            Some(settings) if settings.mode == CheckpointMode::AtLeastOnce => AlignMode::AtLeastOnce,
            Some(settings) if settings.unaligned => AlignMode::Unaligned,
            _ => AlignMode::Aligned,
        };
        let aligner = Aligner::new(channels.len(), mode);
        InputGate::new(channels, aligner, Arc::clone(self.ground.clock()))
    }

    fn stage(&mut self, index: NodeIndex, subtask: SubtaskIndex, targets: Vec<Vec<Target>>) -> Result<Stage> {
        let plan = self.ground.plan();
        let node = plan.node(index)?;
        let work = match &node.kind {
            PlannedKind::Source(_) => return Err(bug(format!("source {}", node.uid), "it is not at the head of its chain")),
            PlannedKind::Sink(_) => {
                let writer = self.connectors.writers.remove(&(index.0, subtask.0));
                Work::Sink(writer.ok_or_else(|| bug(format!("sink {}", node.uid), format!("has no writer for subtask {subtask}")))?)
            }
            PlannedKind::Operator(operator) => Work::Operator {
                subtask: {
                    let state = match self.restored.states.remove(&(index.0, subtask.0)) {
                        Some(state) => state,
                        None => new_state(plan, self.ground.shared.options.seed, node, subtask)?,
                    };
                    Box::new(self.operator(index, node, operator, subtask, state)?)
                },
                inputs: operator.function.inputs.clone(),
                dead_letter_output: (operator.on_error == OnError::DeadLetter).then_some(node.outputs.len().saturating_sub(1)),
            },
        };
        Ok(Stage { work, metrics: self.subtask_metrics(index, subtask)?, targets })
    }

    fn operator(
        &self,
        index: NodeIndex,
        node: &PlannedNode,
        operator: &PlannedOperator,
        subtask: SubtaskIndex,
        state: KeyedState,
    ) -> Result<OperatorSubtask> {
        let ports = (0..operator.function.outputs.len()).map(|output| OutputPort { keyed: self.is_exchanged_by_key(index, output) }).collect();
        let keyed = operator.function.kind == FunctionKind::Keyed;
        debug_assert!(keyed || operator.function.inputs.iter().all(|port| port.key != Codec::None));
        open_operator(self.ground.plan(), node, operator, (subtask, ports, state), self.restored.from)
    }

    fn is_exchanged_by_key(&self, from: NodeIndex, output: usize) -> bool {
        self.ground.plan().outputs(from).any(|edge| edge.output == output && edge.exchange == Exchange::Hash)
    }
}
