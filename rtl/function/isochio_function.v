// isochio: what the device does for a test, behind the function port (docs/rtl.md, docs/registers.md, docs/payload.md).
//
// Joins the pattern source, the pattern sink, the loopback buffers, the size schedule, the sample clock, the registers, the counters and
// the event log. One transaction is on the bus at a time, so there is one of each part, with state per engine.
// Nothing changes at a clock without an input strobe, unless busy_o is high.
`default_nettype none

module isochio_function #(
    // Engines of each direction, 1 ... 8.
    parameter IN_ENGINES = 6,
    parameter OUT_ENGINES = 6,
    // log2 of the event log's entries (96 bits each), 2 ... 16.
    parameter LOG_LOG2 = 12,
    // log2 of the loopback bytes of an engine pair, 8 ... 15; below 12 the largest service interval does not fit.
    parameter LOOPBACK_LOG2 = 13,
    // Pairs of engines that can loop back, 1 ... 8: OUT engine n to IN engine n for n below it.
    parameter LOOPBACK_PAIRS = 6
) (
    input  wire        clk_i,
    input  wire        rst_i,
    // Time and state of the device.
    input  wire [31:0] stamp_i,         // 60 MHz clocks modulo 2^32
    input  wire [13:0] frame_i,         // 13..3 frame number, 2..0 microframe
    input  wire        frame_tick_i,    // a (micro)frame starts; frame_i is already the new one
    input  wire        frame_locked_i,  // STATUS and FRAME registers
    input  wire        high_speed_i,
    input  wire        configured_i,
    input  wire        suspended_i,
    input  wire [ 6:0] address_i,
    // An endpoint is put on an engine.
    input  wire        setup_en_i,
    input  wire        setup_in_i,
    input  wire [ 3:0] setup_engine_i,
    input  wire [71:0] setup_row_i,     // endpoint row bytes: 7..0 byte 1, 15..8 byte 4, 23..16 byte 5 ... 71..64 byte 11
    // IN transactions.
    input  wire [ 3:0] in_engine_i,
    input  wire        in_open_i,
    output wire [11:0] in_bytes_o,
    output wire        in_has_o,
    input  wire        in_start_i,
    input  wire [10:0] in_length_i,
    output wire [ 7:0] in_data_o,
    input  wire        in_next_i,
    input  wire        in_done_i,
    input  wire        in_ok_i,
    // OUT transactions.
    input  wire [ 3:0] out_engine_i,
    output wire        out_room_o,
    output wire        out_overflow_o,  // the packets since the last commit do not fit the loopback buffer
    input  wire        out_start_i,
    input  wire        out_valid_i,
    input  wire [ 7:0] out_data_i,
    input  wire        out_end_i,
    input  wire        out_commit_i,
    input  wire        out_discard_i,
    // Events: counters and log.
    input  wire        event_i,
    input  wire [ 3:0] event_kind_i,
    input  wire [ 4:0] event_endpoint_i,  // 3..0 endpoint number, 4 IN
    input  wire [ 3:0] event_engine_i,
    input  wire [15:0] event_length_i,
    input  wire [ 7:0] event_pid_i,
    input  wire [ 3:0] event_status_i,
    // Registers.
    input  wire [ 9:0] reg_addr_i,
    input  wire [31:0] reg_wdata_i,
    input  wire        reg_we_i,
    input  wire        reg_re_i,
    output wire [31:0] reg_rdata_o,
    // Log.
    input  wire        log_pop_i,
    output wire [95:0] log_data_o,
    output wire        log_empty_o,
    // Sequential helpers run.
    output wire        busy_o
);
endmodule

`default_nettype wire
