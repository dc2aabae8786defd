// isochio: OUT engine n to IN engine n, with packet boundaries: what came in one service interval (bulk: one packet) goes out in one.
//
// Data of all pairs is in one RAM (pair, byte), the lengths of the committed intervals in another (pair, entry). The write pointer is
// tentative until the commit; the reader advances packet by packet as done_i says they are sent, and from interval to interval when
// the IN side opens a new one. An interval that does not fit is dropped whole: overflow_o with its bytes, dropped_o 1 clock after the commit.
// Latencies: has_o, bytes_o 1 clock after open_i; data_o 2 clocks after start_i and 1 clock after next_i.
`default_nettype none

module loopback_buffer #(
    // log2 of the engines of a direction, 1 ... 3.
    parameter ENGINE_BITS = 3,
    // Pairs that have a buffer, 1 ... 8, and log2 of its bytes, 9 ... 14.
    parameter PAIRS = 6,
    parameter BYTES_LOG2 = 13
) (
    input  wire                   clk_i,
    input  wire                   rst_i,
    input  wire                   restart_i,         // empties the buffer of pair restart_engine_i
    input  wire [ENGINE_BITS-1:0] restart_engine_i,
    // OUT.
    input  wire [ENGINE_BITS-1:0] out_engine_i,
    input  wire                   out_here_i,        // out_engine_i has the function loopback
    input  wire                   out_start_i,
    input  wire                   out_valid_i,
    input  wire [            7:0] out_data_i,
    input  wire                   out_commit_i,
    input  wire                   out_discard_i,
    output wire                   room_o,            // of out_engine_i: a packet of 512 bytes (the largest bulk packet) fits
    output wire                   overflow_o,        // of out_engine_i
    output reg                    dropped_o,         // strobe
    output reg  [ENGINE_BITS-1:0] dropped_engine_o,
    // IN.
    input  wire [ENGINE_BITS-1:0] in_engine_i,
    input  wire                   in_here_i,         // in_engine_i has the function loopback
    input  wire                   in_open_i,
    output wire                   has_o,             // valid at in_open_i
    output reg  [           11:0] bytes_o,
    input  wire                   in_start_i,
    input  wire [           10:0] in_length_i,
    input  wire                   in_next_i,
    input  wire                   in_done_i,
    input  wire                   in_ok_i,
    output reg  [            7:0] data_o,
    output wire                   busy_o
);
  localparam ENGINES = 1 << ENGINE_BITS;
  localparam PAIR_BITS = PAIRS <= 1 ? 0 : PAIRS <= 2 ? 1 : PAIRS <= 4 ? 2 : 3;
  localparam ENTRIES_LOG2 = BYTES_LOG2 - 5;
  localparam POINTER = BYTES_LOG2;    // top bit of a pointer, one more than the address: full and empty differ
  localparam ENTRY = ENTRIES_LOG2;
  localparam [POINTER:0] BYTES = {1'b1, {BYTES_LOG2{1'b0}}};
  localparam [ENTRY:0] ENTRIES = {1'b1, {ENTRIES_LOG2{1'b0}}};
  localparam [POINTER:0] LARGEST_BULK = 512;
  localparam [31:0] PAIRS_32 = PAIRS;
  localparam [3:0] PAIR_COUNT = PAIRS_32[3:0];

  reg [7:0] data_q[0:(1<<(PAIR_BITS+BYTES_LOG2))-1];
  reg [11:0] length_q[0:(1<<(PAIR_BITS+ENTRIES_LOG2))-1];

  // Byte pointers: behind the last byte written, behind the last one committed; next packet to send; first byte of the oldest interval
  // that is not being sent yet, and of the one behind it.
  reg [POINTER:0] written_q[0:ENGINES-1], committed_q[0:ENGINES-1];
  reg [POINTER:0] send_q[0:ENGINES-1], oldest_q[0:ENGINES-1], behind_q[0:ENGINES-1];
  reg [ENTRY:0] entries_in_q[0:ENGINES-1], entries_out_q[0:ENGINES-1];
  reg [ENGINES-1:0] begun_q;     // a packet has begun since the last commit
  reg [ENGINES-1:0] overflow_q;
  reg [ENGINES-1:0] open_q;      // this service interval has data
  reg [ENGINES-1:0] unsent_q;    // and none of it has been sent yet
  reg [ENGINES-1:0] room_q;

  // Addresses in the RAMs: the pair's number above the pointer without its top bit. Worked out in 32 bits, whatever the parameters;
  // the same goes for lengths: hence the waiver, which ends with the module.
  // verilator lint_off UNUSEDSIGNAL
  function [31:0] data_address(input [ENGINE_BITS-1:0] pair, input [POINTER:0] pointer);
    data_address = ({{(32 - ENGINE_BITS) {1'b0}}, pair} << BYTES_LOG2) | {{(32 - POINTER) {1'b0}}, pointer[POINTER-1:0]};
  endfunction
  function [31:0] entry_address(input [ENGINE_BITS-1:0] pair, input [ENTRY:0] entry);
    entry_address = ({{(32 - ENGINE_BITS) {1'b0}}, pair} << ENTRIES_LOG2) | {{(32 - ENTRY) {1'b0}}, entry[ENTRY-1:0]};
  endfunction

  // ---- OUT: written at once, adopted at the commit
  wire out_paired = {{(4 - ENGINE_BITS) {1'b0}}, out_engine_i} < PAIR_COUNT;
  wire out_write = out_valid_i && out_here_i;
  wire out_fits = out_paired && written_q[out_engine_i] - send_q[out_engine_i] != BYTES;
  wire [POINTER:0] out_bytes = written_q[out_engine_i] - committed_q[out_engine_i];
  wire [15:0] out_length = {{(15 - POINTER) {1'b0}}, out_bytes};
  wire out_commit = out_commit_i && out_here_i && begun_q[out_engine_i];
  wire out_entry_fits = entries_in_q[out_engine_i] - entries_out_q[out_engine_i] != ENTRIES;
  wire out_adopt = out_commit && out_paired && !overflow_q[out_engine_i] && out_entry_fits;
  wire [31:0] out_at = data_address(out_engine_i, written_q[out_engine_i]);
  wire [31:0] out_entry_at = entry_address(out_engine_i, entries_in_q[out_engine_i]);

  always @(posedge clk_i) if (out_write && out_fits) data_q[out_at[PAIR_BITS+BYTES_LOG2-1:0]] <= out_data_i;

  always @(posedge clk_i) if (out_adopt) length_q[out_entry_at[PAIR_BITS+ENTRIES_LOG2-1:0]] <= out_length[11:0];

  always @(posedge clk_i) begin
    if (restart_i) written_q[restart_engine_i] <= {(POINTER + 1) {1'b0}};
    else if (out_write && out_fits) written_q[out_engine_i] <= written_q[out_engine_i] + 1'b1;
    else if (out_discard_i || (out_commit && !out_adopt)) written_q[out_engine_i] <= committed_q[out_engine_i];
  end
  always @(posedge clk_i) begin
    if (restart_i) committed_q[restart_engine_i] <= {(POINTER + 1) {1'b0}};
    else if (out_adopt) committed_q[out_engine_i] <= written_q[out_engine_i];
  end
  always @(posedge clk_i) begin
    if (restart_i) entries_in_q[restart_engine_i] <= {(ENTRY + 1) {1'b0}};
    else if (out_adopt) entries_in_q[out_engine_i] <= entries_in_q[out_engine_i] + 1'b1;
  end
  always @(posedge clk_i) begin
    if (restart_i) begin
      begun_q[restart_engine_i]    <= 1'b0;
      overflow_q[restart_engine_i] <= 1'b0;
    end else if (out_commit_i || out_discard_i) begin
      begun_q[out_engine_i]    <= 1'b0;
      overflow_q[out_engine_i] <= 1'b0;
    end else begin
      if (out_start_i) begin
        begun_q[out_engine_i] <= 1'b1;
      end
      if (out_write && !out_fits) overflow_q[out_engine_i] <= 1'b1;
    end
  end

  // ---- IN: offer the oldest interval; it leaves the queue of lengths with its first packet, its bytes as they are sent
  wire [31:0] in_entry_at = entry_address(in_engine_i, entries_out_q[in_engine_i]);
  wire sent = in_done_i && in_ok_i && in_here_i && open_q[in_engine_i];
  wire pop = sent && unsent_q[in_engine_i];
  wire open = in_open_i && in_here_i;
  wire [15:0] offered = {4'd0, bytes_o};

  reg opened_q, begin_q, reading_q;
  reg [ENGINE_BITS-1:0] engine_q;
  reg [15:0] packet_q;
  reg [POINTER:0] read_q;

  assign has_o = entries_in_q[in_engine_i] != entries_out_q[in_engine_i];

  always @(posedge clk_i) if (open) bytes_o <= length_q[in_entry_at[PAIR_BITS+ENTRIES_LOG2-1:0]];

  always @(posedge clk_i) begin
    if (rst_i) begin
      opened_q  <= 1'b0;
      begin_q   <= 1'b0;
      reading_q <= 1'b0;
    end else begin
      opened_q <= open;
      begin_q  <= in_start_i && in_here_i;
      if (in_start_i) reading_q <= in_here_i;
    end
    if (open || in_start_i) engine_q <= in_engine_i;
    if (in_start_i) packet_q <= {5'd0, in_length_i};
  end

  always @(posedge clk_i) begin
    if (restart_i) send_q[restart_engine_i] <= {(POINTER + 1) {1'b0}};
    else if (open) send_q[in_engine_i] <= oldest_q[in_engine_i];  // what was not fetched of the last interval is dropped
    else if (sent) send_q[in_engine_i] <= send_q[in_engine_i] + packet_q[POINTER:0];
  end
  always @(posedge clk_i) begin
    if (restart_i) oldest_q[restart_engine_i] <= {(POINTER + 1) {1'b0}};
    else if (pop) oldest_q[in_engine_i] <= behind_q[in_engine_i];
  end
  always @(posedge clk_i) begin
    if (opened_q) behind_q[engine_q] <= oldest_q[engine_q] + offered[POINTER:0];
  end
  always @(posedge clk_i) begin
    if (restart_i) entries_out_q[restart_engine_i] <= {(ENTRY + 1) {1'b0}};
    else if (pop) entries_out_q[in_engine_i] <= entries_out_q[in_engine_i] + 1'b1;
  end
  always @(posedge clk_i) begin
    if (restart_i) begin
      open_q[restart_engine_i] <= 1'b0;
    end else if (open) begin
      open_q[in_engine_i]   <= has_o;
      unsent_q[in_engine_i] <= has_o;
    end else if (sent) begin
      unsent_q[in_engine_i] <= 1'b0;
    end
  end

  // The address of the byte after next is ready before it is asked for, so that the RAM's read register is the output.
  wire [31:0] read_at = data_address(engine_q, read_q);
  always @(posedge clk_i) begin
    if (in_start_i) read_q <= send_q[in_engine_i];
    else if (begin_q || (in_next_i && reading_q)) read_q <= read_q + 1'b1;
  end
  always @(posedge clk_i) if (begin_q || (in_next_i && reading_q)) data_o <= data_q[read_at[PAIR_BITS+BYTES_LOG2-1:0]];

  // ---- room, looked at 1 clock after something has changed
  reg changed_q;
  reg [ENGINE_BITS-1:0] changed_engine_q;
  wire [POINTER:0] used = committed_q[changed_engine_q] - send_q[changed_engine_q];
  always @(posedge clk_i) begin
    changed_q <= restart_i || out_adopt || open || sent;
    if (restart_i) changed_engine_q <= restart_engine_i;
    else if (out_adopt) changed_engine_q <= out_engine_i;
    else if (open || sent) changed_engine_q <= in_engine_i;
    if (changed_q)
      room_q[changed_engine_q] <= {{(4 - ENGINE_BITS) {1'b0}}, changed_engine_q} < PAIR_COUNT &&
          BYTES - used >= LARGEST_BULK &&
          entries_in_q[changed_engine_q] - entries_out_q[changed_engine_q] != ENTRIES;
  end

  always @(posedge clk_i) begin
    dropped_o <= out_commit && !out_adopt && !rst_i;
    if (out_commit_i) dropped_engine_o <= out_engine_i;
  end

  assign room_o = !out_here_i || room_q[out_engine_i];
  assign overflow_o = overflow_q[out_engine_i];
  assign busy_o = opened_q || begin_q || changed_q || dropped_o;
  // verilator lint_on UNUSEDSIGNAL
endmodule

`default_nettype wire
