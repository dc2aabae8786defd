"""Proves that a mutant of a module is seen to behave as the original does.

Both stand side by side with the same inputs, registers beginning at 0, and yosys writes that as an and-inverter graph with
one output that is 1 when they are seen to differ. ABC merges what is always equal in both (scorr) and looks for an invariant
of the rest by which that output stays 0, or for inputs that raise it (pdr). Memories are left out: what is written to them and
looked up in them is compared, what they answer is an input of both."""

import json
import pathlib
import re
import resource
import subprocess
import sys
import tempfile

EQUIVALENT, DIFFERS, OPEN = "equivalent", "differs", "open"
SECONDS = 60  # of processor time for ABC: merging takes some, the search for an invariant the rest

# When a module's outputs are read (docs/rtl.md and the ports' comments): by the strobe or state that goes with them. Others: always.
READ_WITH = {
    "transaction": {"state_we_o": "state_o", "deadline_valid_o": "deadline_o", "tx_start_o": "tx_pid_o tx_pid_mask_o",
                    "event_o": "event_kind_o event_endpoint_o event_pid_o event_status_o", "event_o && test_mode_i == 0": "event_length_o",
                    # counters.v counts these by engine; the log has none.
                    "event_o && event_endpoint_o[3:0] != 0 && (event_kind_o == 3 || event_status_o == 3 || event_status_o == 8 || event_status_o == 11)":
                        "event_engine_o",
                    "tx_start_o && tx_pid_o[1:0] == 3": "tx_length_o", "fault_fetch_o || fault_taken_o": "fault_in_o fault_engine_o",
                    "lookup_o": "lookup_index_o", "in_start_o": "in_length_o", "in_done_o": "in_ok_o"},
    "control_endpoint": {"table_setup_o || table_remove_o || setup_en_o": "table_attributes_o setup_in_o setup_engine_o setup_row_o", "reg_we_o": "reg_wdata_o",
                         "reg_we_o || reg_re_o": "reg_addr_o", "image_re_o": "image_addr_o", "image_we_o": "image_write_addr_o image_write_data_o",
                         "in_kind_o == 1 || test_packet_o": "in_length_o in_toggle_o", "out_kind_o == 1": "out_toggle_o"},
    "line_state": {"event_o": "event_status_o", "deadline_valid_o": "deadline_o"},
    "frame_timer": {"event_o": "event_missed_o event_unexpected_o", "deadline_valid_o": "deadline_o"},
    "packet_rx": {"byte_valid_o": "byte_o"},
    "packet_tx": {"utmi_tx_valid_o": "utmi_data_o"},
    "utmi_inputs": {"valid_o": "data_o"},
    "event_merge": {"event_o": "kind_o endpoint_o engine_o length_o pid_o status_o"},
    "image_memory": {"before_re_i": "data_o"},
    # Endpoint 0 has no entry.
    "endpoint_table": {"index[3:0] != 0": "valid_o toggle_o halt_o fresh_o attributes_o state_o",
                       "change_index_i[3:0] != 0": "change_valid_o change_halt_o change_isochronous_o"},
}
# What is looked up in a module's memories counts only then.
LOOKED_UP_WITH = {"control_endpoint": "read_next", "endpoint_table": "lookup_i", "image_memory": "re_i"}
# What the device sees to at a module's inputs.
USUAL = {
    # A packet is only acknowledged, and one only accepted, where the endpoint went along; until it is, only a reset or a token changes that.
    # Nobody acknowledges a test packet.
    "control_endpoint": ["!in_done_i || in_kind_o != 2", "!out_done_i || out_kind_o != 2",
                         # In a test mode no SETUP is taken; nor with an acknowledgement.
                         "!setup_done_i || (test_mode_o == 0 && !in_done_i)"],
    "transaction": ["before_lookup_o || attributes_i == before_attributes_i",
                    "before_rst_i || before_test_mode_i == 0 || test_mode_i == before_test_mode_i", "!test_packet_i || test_mode_i == 4",
                    # size_schedule offers no more than an interval can carry.
                    "!before_in_open_o || attributes_i[1:0] != 1 || in_bytes_i <= ({1'b0, attributes_i[12:2]} << (attributes_i[14:13] != 0)) + (attributes_i[14:13] == 2 ? attributes_i[12:2] : 0) ||"
                    " attributes_i[14:13] == 3"],
    "line_state": ["!(activity_i && suspended_o)"],
    "utmi_inputs": ["!(rst_i && utmi_rx_active_i)"],
    "endpoint_table": ["change_index_i[3:0] != 0 || !(setup_i || remove_i || halt_i || unhalt_i)", "index[3:0] != 0 || !(state_we_i || flip_i)"],
}
# Verilog that the expressions above need; `before_PORT` is the port at the clock before, and needs none.
WITH = {"endpoint_table": "reg [4:0] index; always @(posedge clk_i) if (lookup_i) index <= lookup_index_i;"}


def states(*values):
    return "(" + " || ".join(f"state_q == {value}" for value in values) + ")"


def control_endpoint_live():
    """When each register of control_endpoint counts; its states and stages by number: FETCH 3, READ_SETUP 4, TAKE_SETUP 9, FILL… 10 to 12 and
    19, DRAIN… 13 to 15, rows of the image 2, 6, 7, 8, 16, 17, 20, 21; DATA_IN 1, DATA_OUT 2, STATUS_IN 3; IMAGE 1."""
    def waiting(*stages):
        return "(state_q == 0 && !pending_q && (" + " || ".join(f"stage_q == {stage}" for stage in stages) + "))"

    filling = "(" + states(10, 11, 12, 19) + " || " + waiting(1) + ")"
    storing = "(" + states(13, 14, 15) + " || " + waiting(2) + ")"
    walking = states(8, 16) + " || (state_q == 3 && after_q == 8)"
    live = [(f"({filling} && word_left_q > {byte})" + (f" || {storing} || reg_we_q || {states(20, 21)}" if byte < 4 else ""),
             f"word_q[{8 * byte + 7}:{8 * byte}]") for byte in range(12)]
    live += [(f"{states(3, 4)} ? fetched_q > {16 - byte} : {states(2, 6, 7, 8, 16, 17, 20, 21, *([9] if byte > 7 else []))}",
              f"row_q[{8 * byte + 7}:{8 * byte}]") for byte in range(16)]
    live += [(states(3, 4), "fetched_q"), (states(3, 6, 7, 8, 16), "pointer_q"), (states(3), "after_q"),
             (states(6, 7, 8, 16) + " || (state_q == 3 && after_q > 5 && after_q < 9)", "rows_left_q"),
             (f"place_q == 1 && ({states(10, 11)} || ({waiting(1)} && filled_q == 64 && want_q != 0))", "left_q"),
             (f"{filling} || {storing}", "want_q"), (storing, "stored_q"), (states(13, 14, 20), "drained_q"), (states(13, 14, 15), "packet_q"),
             (states(11, 12, 14), "wait_q"), (filling, "word_left_q"), (f"{filling} || {waiting(3)} || (test_mode_q == 4 && stage_q == 0)", "filled_q"),
             (f"!({walking})", "in_toggle_q"), (storing, "store_register_q"), (f"place_q == 1 && ({filling} || {storing})", "data_at_q"),
             ("image_we_q", "image_write_addr_q"), ("image_we_q", "image_write_data_q"), ("address_pending_q", "new_address_q")]
    return live


# When a register counts; one that is not here, always. That nothing that counts ever differs is a stronger claim than that nothing seen
# does, tried first: one step of induction shows it. Modules that are not here are not tried so.
LIVE = {"control_endpoint": control_endpoint_live()}
# What holds of the original's registers at all times; shown in the same induction, which needs it.
INVARIANT = {"control_endpoint": [
    "state_q <= 21 && stage_q <= 5",
    "state_q != 3 || after_q == 2 || after_q == 6 || after_q == 7 || after_q == 8 || after_q == 17",
    "!" + states(10, 11, 12, 19) + " || stage_q == 1 || (stage_q == 0 && place_q == 0 && test_mode_q == 4)",
    "!" + states(13, 14, 15) + " || stage_q == 2",
    "(state_q != 11 || place_q == 1) && (state_q != 12 || place_q == 2) && (state_q != 19 || place_q == 3)",
    "!(" + states(1, 2, 20, 21) + " || (state_q == 3 && after_q == 2)) || stage_q == 0",
    "filled_q <= 64",
    "test_mode_q == 0 || (stage_q == 0 && !pending_q && " + states(0, 1, 2, 3, 10, 20, 21) + " && (state_q != 3 || after_q == 2))",
]}


def yosys(script, work, name):
    (work / f"{name}.ys").write_text(script)
    done = subprocess.run(["yosys", "-q", "-s", str(work / f"{name}.ys")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"yosys could not set the mutant beside the original: {done.stdout.strip()[-300:]}")


def expose(module, port, direction, bits):
    module["ports"][port] = {"direction": direction, "bits": bits}
    module["netnames"][port] = {"hide_name": 0, "bits": bits, "attributes": {}}


def registers_of(module):
    held = {bit for cell in module["cells"].values() if "dff" in cell["type"] for bit in cell["connections"]["Q"]}
    return [name for name, net in module["netnames"].items() if name.endswith("_q") and held.issuperset(net["bits"])]


def with_registers(module, registers, live, invariant):
    """Makes ports of a module's registers; {port: when it counts}."""
    strobes = {}
    for when, field in live + [("1", name) for name in registers if all(not re.match(rf"{name}\b", field) for _, field in live)]:
        name, high, low = re.fullmatch(r"(\w+?)(?:\[(\d+):(\d+)\])?", field).groups()
        bits = module["netnames"][name]["bits"]
        port = f"counts_{name}_{low or 0}"
        expose(module, port, "output", bits[int(low):int(high) + 1] if high else bits)
        strobes[port] = when
    for name in {word for when in [*strobes.values(), *invariant] for word in re.findall(r"\b[a-z]\w*", when)}:
        expose(module, name, "output", module["netnames"][name]["bits"])
        strobes[name] = "0"  # only to say when others count
    return strobes


def without_memories(module, looked_up_with):
    """Turns the memories of a module (yosys' JSON) that are written into ports; {port: its strobe}."""
    strobes = {}
    for name in [n for n, cell in module["cells"].items() if cell["type"].startswith("$mem") and "1" in cell["parameters"]["WR_PORTS"]]:
        cell = module["cells"].pop(name)
        prefix = "memory_" + re.sub(r"\W", "_", name)
        for port, bits in cell["connections"].items():
            if bits and not port.endswith("_CLK"):
                expose(module, f"{prefix}_{port}", "input" if cell["port_directions"][port] == "output" else "output", bits)
        strobes |= {f"{prefix}_{port}": f"|{prefix}_WR_EN" for port in ("WR_ADDR", "WR_DATA")}
        if looked_up_with:
            expose(module, "looked_up", "output", module["netnames"][looked_up_with]["bits"])
            strobes[f"{prefix}_RD_ADDR"] = "looked_up"
    return strobes


def as_seen(module, name, kind, strobes, invariant):
    """A Verilog module `seen_NAME` around `NAME` that shows an output only when somebody reads it, and nothing more once the inputs
    were such as never come."""
    ports = {port: (data["direction"], len(data["bits"])) for port, data in module["ports"].items()}
    outputs = [port for port, (direction, _) in ports.items() if direction == "output"]
    read_with = strobes | {field: strobe for strobe, fields in READ_WITH.get(kind, {}).items() for field in fields.split()}
    usual = USUAL.get(kind, [])

    def inside(expression):
        return re.sub(r"\b([a-z]\w*)", lambda word: f"inside_{word[1]}" if word[1] in outputs else word[1], expression)

    lines = [f"module seen_{name} (" + "".join(f"{direction} wire [{width - 1}:0] {port}, " for port, (direction, width) in ports.items()) +
             "output wire holds);"]
    lines += [f"wire [{ports[port][1] - 1}:0] inside_{port};" for port in outputs]
    lines += [f"reg [{ports[port][1] - 1}:0] before_{port}; always @(posedge clk_i) before_{port} <= {inside(port)};"
              for port in ports if re.search(rf"\bbefore_{port}\b", " ".join([*usual, *read_with.values()]))]
    lines.append(WITH.get(kind, ""))
    lines.append("wire usual = " + " && ".join(f"({inside(text)})" for text in usual or ["1"]) + ";")
    lines.append("reg unusual_q; always @(posedge clk_i) unusual_q <= unusual_q || !usual;")
    lines.append("assign holds = !usual || unusual_q || (" + " && ".join(f"({inside(text)})" for text in invariant or ["1"]) + ");")
    lines += [f"assign {port} = usual && !unusual_q && ({inside(read_with.get(port, '1'))}) ? inside_{port} : 0;" for port in outputs]
    lines += [f"{name} it (" + ", ".join(f".{port}({'inside_' if port in outputs else ''}{port})" for port in ports) + ");", "endmodule"]
    return "\n".join(lines) + "\n"


def kind_of(line):
    """The module's name in the Verilog, and the longer one that it has in yosys if it has parameters."""
    module = re.search(r"-module (\S+)", line)[1]
    return re.search(r"\\(\w+)", module)[1] if module.startswith("$paramod") else module, module


def side_by_side(design, line, live, work):
    """Files in work, and commands of yosys for a module `both` of which `trigger` is 1 when the module and its mutant are seen to differ, or
    what counts of their registers does."""
    kind, module = kind_of(line)
    yosys(f"""
read_rtlil {design}
select -set others * {module} %d
delete @others
copy {module} gold
{line}
rename {module} gate
proc
opt_clean
memory_collect
opt_clean
write_json {work}/both.json
""", work, "mutate")
    both = json.loads((work / "both.json").read_text())["modules"]
    both = {name: both[name] for name in ("gold", "gate")}
    invariant = INVARIANT.get(kind, []) if live else []
    registers = registers_of(both["gold"])  # a mutant may hold a bit of one no longer
    strobes = [without_memories(module, LOOKED_UP_WITH.get(kind)) | (with_registers(module, registers, live, invariant) if live else {})
               for module in both.values()][0]
    (work / "both.json").write_text(json.dumps({"creator": "script/mutate", "modules": both}))
    (work / "seen.v").write_text("".join(as_seen(module, name, kind, strobes, invariant if name == "gold" else []) for name, module in both.items()))
    return f"""
read_json {work}/both.json
read_verilog {work}/seen.v
proc
miter -equiv -flatten seen_gold seen_gate both
hierarchy -top both
flatten
memory_map
splitnets
setundef -init -zero
setundef -undriven -zero
opt
"""


def proven_by_induction(design, line, live):
    """Whether registers that are alike in all that counts stay so for one more clock, whatever state they are in, and are at the beginning."""
    with tempfile.TemporaryDirectory() as directory:
        work = pathlib.Path(directory)
        yosys(side_by_side(design, line, live, work) +
              f"tee -o {work}/sat sat -set-init-zero -prove trigger 0 -tempinduct -maxsteps 2 -timeout {SECONDS} both\n", work, "induct")
        return "Induction step proven: SUCCESS!" in (work / "sat").read_text()


def searched(design, line):
    """What ABC finds: EQUIVALENT (an invariant), DIFFERS (inputs), or OPEN (neither in its time)."""
    with tempfile.TemporaryDirectory() as directory:
        work = pathlib.Path(directory)
        graph = work / "both.aig"
        yosys(side_by_side(design, line, [], work) + f"""
dffunmap
simplemap
techmap
opt
dffunmap
abc -g AND -fast
opt_clean
setundef -init -zero
write_aiger -zinit {graph}
""", work, "graph")
        done = subprocess.run(["yosys-abc", "-c", f"read {graph}; strash; scleanup; scorr -C 100000; dc2; pdr; print_status"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1)))
    status = re.findall(r"^Status = *(-?\d+)", done.stdout, re.M)
    return {"1": EQUIVALENT, "0": DIFFERS}.get(status[-1] if status else None, OPEN)


def verdict(design, line):
    """Of yosys' `mutate` command `line` in the RTLIL file `design`: EQUIVALENT, DIFFERS (inputs exist that show it, which need not come
    in the device), or OPEN."""
    live = LIVE.get(kind_of(line)[0])
    try:
        if live and proven_by_induction(design, line, live):
            return EQUIVALENT
        return searched(design, line)
    except RuntimeError as error:  # one proof that can't be set up must not end a long run
        sys.stderr.write(f"\nmutate: {error}\n")
        return OPEN
