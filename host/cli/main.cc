// isochio: the command.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>

#include <fmt/format.h>

#include "cli/command.h"

namespace isochio::cli {

int complain(const std::string& message) {
  fmt::print(stderr, "isochio: {}\n", message);
  return bad_input;
}

}  // namespace isochio::cli

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): only out of memory gets here
  using namespace isochio::cli;
  // A file that reaches a limit is an error like a full disk, not the end of the program.
  std::signal(SIGXFSZ, SIG_IGN);
  CLI::App app{
      "isochio tests USB isochronous transfers: a Verilog USB 2.0 device runs in simulation, a modelled host\n"
      "issues IsochIO requests against it, and every frame is judged.",
      "isochio"};
  app.footer(
      "Examples:\n"
      "  isochio list                               what there is to run\n"
      "  isochio run hs-3x1024-in                   run a scenario and print the verdict\n"
      "  isochio serve uac1-audio                   plug the simulated device into a Linux machine, by USB/IP\n"
      "  isochio run my.toml --capture my.pcapng    run your own, look at the packets in Wireshark\n"
      "\n"
      "Exit codes: 0 passed, 1 checks failed, 2 bad usage or input, 3 target not available.\n"
      "isochio SUBCOMMAND --help explains each subcommand.");
  app.set_version_flag("--version", "isochio " ISOCHIO_VERSION);
  app.require_subcommand(1);
  Action action;
  add_run(app, action);
  add_list(app, action);
  add_devices(app, action);
  add_diff(app, action);
  add_bandwidth(app, action);
  add_describe(app, action);
  add_serve(app, action);
  add_explore(app, action);
  add_coverage(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? passed : bad_input;
  }
  try {
    const int code = action();
    // What was printed into a full disk or a closed pipe is an error, too.
    errno = ENOSPC;  // if the reason is no longer known: the usual one
    const bool failed = std::ferror(stdout) != 0;
    if (std::fflush(stdout) != 0 || failed)
      return complain(std::string("standard output can't be written: ") + std::strerror(errno));
    return code;
  } catch (const std::exception& error) {
    return complain(error.what());
  }
}
