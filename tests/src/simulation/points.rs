//! Fail points in a simulation: each thread, and so each simulation, has its own.

use std::cell::RefCell;
use std::sync::{Arc, Once};

use weir_model::Result;
use weir_model::fail_point::{self, FailPoint, injected};

use super::case::Disturbance;
use super::trace::Count;
use super::world::World;

thread_local! {
    static ARMED: RefCell<Option<Armed>> = const { RefCell::new(None) };
}

struct Armed {
    world: Arc<World>,
    point: FailPoint,
    /// Passages until it fails.
    left: u64,
    kill: bool,
}

/// Until it is dropped, the disturbance's point is armed.
pub(super) struct Guard;

/// Arms the point of a disturbance, if it has one.
pub(super) fn arm(world: &Arc<World>, disturbance: Disturbance) -> Guard {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        // Somebody else's hook stays: then no point of a simulation fails.
        let _ = fail_point::arm(Box::new(pass));
    });
    if let Disturbance::Fail { point, passage, kill } = disturbance {
        ARMED.set(Some(Armed { world: Arc::clone(world), point, left: passage, kill }));
    }
    Guard
}

impl Drop for Guard {
    fn drop(&mut self) {
        ARMED.set(None);
    }
}

fn pass(point: FailPoint) -> Result<()> {
    ARMED.with_borrow_mut(|armed| {
        let Some(armed) = armed.as_mut().filter(|armed| armed.point == point && armed.left > 0) else { return Ok(()) };
        armed.left -= 1;
        if armed.left > 0 {
            return Ok(());
        }
        armed.world.say(&format!("fail point {}", point.name()));
        armed.world.count(Count::Points);
        if armed.kill {
            armed.world.kill(point.name());
        }
        Err(injected(point))
    })
}
