"""Parts of Dagster that are not promised to us, and that the warm launcher leans on: an upgrade fails here first.

They are used in `resources/launcher.py`, `resources/warm_worker.py` and nowhere else (docs/adr/0007).
"""

import inspect
import signal

import dagster as dg


def test_a_run_is_executed_by_the_function_that_dagster_api_execute_run_calls():
    from dagster._cli import api

    wanted = ["run_id", "instance", "write_stream_fn", "set_exit_code_on_failure"]
    assert list(inspect.signature(api._execute_run_command_body).parameters) == wanted
    assert "_execute_run_command_body" in api.execute_run_command.callback.__code__.co_names


def test_an_interrupt_that_came_too_late_is_forgotten_with_its_run():
    from dagster._utils.interrupts import capture_interrupts, check_captured_interrupt

    before = signal.getsignal(signal.SIGINT)
    with capture_interrupts():
        signal.raise_signal(signal.SIGINT)
        assert check_captured_interrupt()
    assert not check_captured_interrupt()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_daemon_asks_for_the_interval_of_its_queue_when_it_starts_and_nobody_else_does(tmp_path):
    from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator
    from dagster._daemon.controller import create_daemons_from_instance

    asked = []

    class Queue(QueuedRunCoordinator):
        @property
        def dequeue_interval_seconds(self) -> float:
            asked.append(self)
            return 0.25

    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        instance._run_coordinator = Queue()
        instance._run_coordinator.register_instance(instance)
        instance.get_concurrency_config()
        instance.get_required_daemon_types()
        assert not asked
        daemons = create_daemons_from_instance(instance)
        assert len(asked) == 1
    assert [daemon.interval_seconds for daemon in daemons if daemon.daemon_type() == "QUEUED_RUN_COORDINATOR"] == [0.25]


def test_the_sensor_loop_looks_at_its_pause_in_every_round():
    from dagster._daemon import sensor

    assert sensor.MIN_INTERVAL_LOOP_TIME == 5
    assert "MIN_INTERVAL_LOOP_TIME" in sensor.execute_sensor_iteration_loop.__code__.co_names


def test_the_default_launcher_is_not_asked_about_the_health_of_its_runs():
    launcher = dg.DefaultRunLauncher()
    assert not launcher.supports_check_run_worker_health
    assert launcher._run_ids == set()  # those that `join` waits for
