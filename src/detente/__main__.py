"""Where the command line begins: Ctrl-C is heard before anything heavy is imported."""

from detente.cli_stop import hear_stop, leave_stopped


def main() -> None:
    """Import the command line and run it; Ctrl-C on the way there ends as it does later, with code 130."""
    stopped = hear_stop()
    try:
        from detente.cli import main as run
    except BaseException:  # a library that is being imported may turn Ctrl-C into an error of its own
        if stopped:
            leave_stopped()
        raise
    run()


if __name__ == "__main__":
    main()
