//! From a plan to its tasks: instances are made, files opened, channels connected. Nothing flows yet.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use weir_connect::sink::SinkWriter;
use weir_connect::source::SourceReader;
use weir_model::Result;
use weir_model::codec::Codec;
use weir_model::describe::FunctionKind;
use weir_model::element::Element;
use weir_model::graph::{NodeIndex, OnError};
use weir_model::id::{Parallelism, SubtaskIndex};
use weir_model::time::SharedClock;
use weir_plugin::{Breakage, Identity, OperatorSubtask, OutputPort, Services, Subtask};
use weir_state::KeyedState;

use crate::chain::{Chain, Stage, Target, Work, bug};
use crate::exchange::{Outbox, Scatter};
use crate::gate::{ElementSender, InputGate, element_channel};
use crate::metrics::{JobMetrics, NodeMetrics};
use crate::plan::{Edge, Exchange, Plan, PlannedKind, PlannedNode, PlannedOperator};
use crate::task::{Head, SourceHead, Task};

/// Everything that a job needs to run.
pub(crate) struct Built {
    pub(crate) tasks: Vec<Task>,
    pub(crate) metrics: Arc<JobMetrics>,
    /// To be set when a task has failed.
    pub(crate) cancelled: Arc<AtomicBool>,
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

/// Makes the tasks of a plan.
///
/// # Errors
/// When a file is missing, an instance can't be opened, or a sink can't be written.
pub(crate) fn build(plan: &Plan, clock: &SharedClock, stop: &watch::Receiver<bool>, seed: u64) -> Result<Built> {
    let mut bytes_total = Some(0);
    let mut connectors = Connectors::default();
    // Sources first: a job whose input is missing must not leave empty output behind.
    for (number, node) in plan.nodes.iter().enumerate() {
        if let PlannedKind::Source(config) = &node.kind {
            let opened = config.open(&node.uid, node.parallelism, clock)?;
            bytes_total = bytes_total.zip(opened.bytes_total).map(|(a, b): (u64, u64)| a + b);
            connectors.readers.extend((0..).zip(opened.readers).map(|(subtask, reader)| ((number, subtask), reader)));
        }
    }
    let metrics = Arc::new(JobMetrics { nodes: plan.nodes.iter().map(node_metrics).collect(), bytes_total });
    let mut builder =
        Builder { plan, clock, stop, seed, metrics: &metrics, channels: Channels::connect(plan)?, connectors, cancelled: Arc::default() };
    builder.check_operators()?;
    for (number, node) in plan.nodes.iter().enumerate() {
        if let PlannedKind::Sink(config) = &node.kind {
            let input = plan.sink_port(NodeIndex(number))?;
            let writers = config.open(&node.uid, node.parallelism, &input)?;
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
    Ok(Built { tasks, cancelled: Arc::clone(&builder.cancelled), metrics })
}

fn node_metrics(node: &PlannedNode) -> NodeMetrics {
    let subtasks = node.parallelism.subtasks().map(|_| Arc::default()).collect();
    NodeMetrics { uid: node.uid.clone(), subtasks, counters: std::sync::Mutex::default() }
}

struct Builder<'a> {
    plan: &'a Plan,
    clock: &'a SharedClock,
    stop: &'a watch::Receiver<bool>,
    seed: u64,
    metrics: &'a JobMetrics,
    channels: Channels,
    connectors: Connectors,
    cancelled: Arc<AtomicBool>,
}

impl Builder<'_> {
    /// Opens each operator once before a sink is touched: an operator that can't start must not leave output folders behind.
    fn check_operators(&self) -> Result<()> {
        for (number, node) in self.plan.nodes.iter().enumerate() {
            if let PlannedKind::Operator(operator) = &node.kind {
                self.operator(NodeIndex(number), node, operator, SubtaskIndex(0))?;
            }
        }
        Ok(())
    }

    fn task(&mut self, chain: &[NodeIndex], subtask: SubtaskIndex) -> Result<Task> {
        let Some((head_index, _)) = chain.split_first() else {
            return Err(bug("the plan", "has an empty chain"));
        };
        let head_node = self.plan.node(*head_index)?;
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
            Head::Source(SourceHead { reader: Box::new(reader), targets: source_targets, metrics, stop: self.stop.clone(), ended: false })
        } else {
            Head::Gate(self.gate(*head_index, subtask))
        };
        let chain = Chain::new(stages, outboxes, Arc::clone(self.clock));
        let nodes = staged.iter().map(|index| index.0).collect();
        Ok(Task { head, chain, nodes, clock: Arc::clone(self.clock), cancelled: Arc::clone(&self.cancelled) })
    }

    fn subtask_metrics(&self, node: NodeIndex, subtask: SubtaskIndex) -> Result<Arc<crate::metrics::SubtaskMetrics>> {
        let metrics = self.metrics.nodes.get(node.0).and_then(|node| node.subtasks.get(subtask.as_usize()));
        metrics.cloned().ok_or_else(|| bug("the metrics", format!("have no node {} subtask {subtask}", node.0)))
    }

    /// Where each output port of a node goes, with an outbox for everything that leaves the task.
    fn targets(&mut self, node: NodeIndex, subtask: SubtaskIndex, staged: &[NodeIndex], outboxes: &mut Vec<Outbox>) -> Result<Vec<Vec<Target>>> {
        let planned = self.plan.node(node)?;
        let mut targets = vec![Vec::new(); planned.outputs.len()];
        for (number, edge) in self.plan.edges.iter().enumerate().filter(|(_, edge)| edge.from == node) {
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
            Exchange::Hash => Scatter::hash(self.plan.max_parallelism, self.plan.node(edge.to)?.parallelism),
        };
        Ok(Outbox::new(scatter, senders))
    }

    fn gate(&mut self, node: NodeIndex, subtask: SubtaskIndex) -> InputGate {
        let mut gate = InputGate::default();
        for (number, edge) in self.plan.edges.iter().enumerate().filter(|(_, edge)| edge.to == node && !edge.chained) {
            let receivers = self.channels.receivers.remove(&(number, subtask.0)).unwrap_or_default();
            receivers.into_iter().for_each(|receiver| gate.add(receiver, edge.input));
        }
        gate
    }

    fn stage(&mut self, index: NodeIndex, subtask: SubtaskIndex, targets: Vec<Vec<Target>>) -> Result<Stage> {
        let node = self.plan.node(index)?;
        let work = match &node.kind {
            PlannedKind::Source(_) => return Err(bug(format!("source {}", node.uid), "it is not at the head of its chain")),
            PlannedKind::Sink(_) => {
                let writer = self.connectors.writers.remove(&(index.0, subtask.0));
                Work::Sink(writer.ok_or_else(|| bug(format!("sink {}", node.uid), format!("has no writer for subtask {subtask}")))?)
            }
            PlannedKind::Operator(operator) => Work::Operator {
                subtask: self.operator(index, node, operator, subtask)?,
                inputs: operator.function.inputs.clone(),
                dead_letter_output: (operator.on_error == OnError::DeadLetter).then_some(node.outputs.len().saturating_sub(1)),
            },
        };
        Ok(Stage { work, metrics: self.subtask_metrics(index, subtask)?, targets })
    }

    fn operator(&self, index: NodeIndex, node: &PlannedNode, operator: &PlannedOperator, subtask: SubtaskIndex) -> Result<OperatorSubtask> {
        let uid = node.uid.as_str();
        let identity = Identity { uid: uid.to_owned(), function: operator.function.name.clone(), digest: operator.digest.clone() };
        let place = Subtask {
            uid: uid.to_owned(),
            function: operator.function.clone(),
            config: operator.config.clone(),
            index: subtask.0,
            parallelism: node.parallelism.get(),
            max_parallelism: self.plan.max_parallelism.get(),
        };
        let ports = (0..operator.function.outputs.len()).map(|output| OutputPort { keyed: self.is_exchanged_by_key(index, output) }).collect();
        let keyed = operator.function.kind == FunctionKind::Keyed;
        debug_assert!(keyed || operator.function.inputs.iter().all(|port| port.key != Codec::None));
        let state = KeyedState::new(if keyed { &operator.function.states } else { &[] }, self.seed ^ u64::from(subtask.0));
        let guest = (operator.guests)(place, operator.limits).map_err(|breakage| {
            // No error policy helps against a trap in `open`.
            let remedy = if let Breakage::Trap(why) = &breakage { &Breakage::Open(why.clone()) } else { &breakage };
            identity.error(format!("it can't be started: {breakage}"), Some(remedy))
        })?;
        let services = Services::new(uid, ports, operator.limits, state);
        Ok(OperatorSubtask::new(identity, &operator.function, operator.on_error, guest, services))
    }

    fn is_exchanged_by_key(&self, from: NodeIndex, output: usize) -> bool {
        self.plan.outputs(from).any(|edge| edge.output == output && edge.exchange == Exchange::Hash)
    }
}
