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
    output reg                    has_o,
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
  localparam POINTER = BYTES_LOG2;  // top bit of a pointer, one more than the address: full and empty differ
  localparam ENTRY = ENTRIES_LOG2;
  localparam [POINTER:0] BYTES = {1'b1, {BYTES_LOG2{1'b0}}};
  localparam [ENTRY:0] ENTRIES = {1'b1, {ENTRIES_LOG2{1'b0}}};
  localparam [POINTER:0] LARGEST_BULK = 512;
  localparam [31:0] PAIRS_32 = PAIRS;
  localparam [3:0] PAIR_COUNT = PAIRS_32[3:0];

  reg [7:0] data_q[0:(1<<(PAIR_BITS+BYTES_LOG2))-1];
  reg [11:0] length_q[0:(1<<(PAIR_BITS+ENTRIES_LOG2))-1];

  // Per pair, OUT side: pointers behind the last byte written and behind the last one committed; entries committed.
  reg [2*POINTER+ENTRY+2:0] out_q[0:ENGINES-1];
  // IN side: pointers to the next packet to send and to the oldest interval that is not being sent yet; entries taken out.
  reg [2*POINTER+ENTRY+2:0] in_q[0:ENGINES-1];
  reg [POINTER:0] behind_q[0:ENGINES-1];  // the oldest interval that was offered last
  reg [ENGINES-1:0] begun_q;              // a packet has begun since the last commit
  reg [ENGINES-1:0] overflow_q;
  reg [ENGINES-1:0] open_q;               // this service interval has data
  reg [ENGINES-1:0] unsent_q;             // and none of it has been sent yet
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

  // Intermediate values, used within one clock only: assigned with "=", hence the waiver. Registers are read before they are written; the
  // simulator then needs no copies of them.
  // verilator lint_off BLKSEQ

  // ---- OUT: written at once, adopted at the commit
  wire out_active = restart_i || (out_here_i && (out_start_i || out_valid_i || out_commit_i || out_discard_i));
  reg [POINTER:0] written, committed, out_send, out_oldest;
  reg [ENTRY:0] entries_in, out_entries_out;
  reg paired, fits, adopt;
  reg [31:0] out_at, out_entry_at;
  reg [15:0] out_length;

  always @(posedge clk_i) begin
    dropped_o <= 1'b0;
    if (out_active) begin
      {written, committed, entries_in}          = out_q[out_engine_i];
      {out_send, out_oldest, out_entries_out}   = in_q[out_engine_i];
      paired       = {{(4 - ENGINE_BITS) {1'b0}}, out_engine_i} < PAIR_COUNT;
      fits         = paired && written - out_send != BYTES;
      out_at       = data_address(out_engine_i, written);
      out_entry_at = entry_address(out_engine_i, entries_in);
      out_length   = {{(15 - POINTER) {1'b0}}, written - committed};
      adopt        = out_commit_i && begun_q[out_engine_i] && paired && !overflow_q[out_engine_i] &&
                     entries_in - out_entries_out != ENTRIES;
      if (out_valid_i && fits) begin
        data_q[out_at[PAIR_BITS+BYTES_LOG2-1:0]] <= out_data_i;
        written = written + 1'b1;
      end
      if (adopt) begin
        length_q[out_entry_at[PAIR_BITS+ENTRIES_LOG2-1:0]] <= out_length[11:0];
        committed  = written;
        entries_in = entries_in + 1'b1;
      end
      if (out_commit_i) begin
        dropped_o        <= begun_q[out_engine_i] && !adopt;
        dropped_engine_o <= out_engine_i;
      end
      if (out_commit_i || out_discard_i) written = committed;
      out_q[restart_i ? restart_engine_i : out_engine_i] <=
          restart_i ? {(2 * POINTER + ENTRY + 3) {1'b0}} : {written, committed, entries_in};
      if (out_start_i) begun_q[out_engine_i] <= 1'b1;
      if (out_valid_i && !fits) overflow_q[out_engine_i] <= 1'b1;
      if (out_commit_i || out_discard_i) begin
        begun_q[out_engine_i]    <= 1'b0;
        overflow_q[out_engine_i] <= 1'b0;
      end
      if (restart_i) begin
        begun_q[restart_engine_i]    <= 1'b0;
        overflow_q[restart_engine_i] <= 1'b0;
      end
    end
  end

  // ---- IN: offer the oldest interval; it leaves the queue of lengths with its first packet, its bytes as they are sent
  reg opened_q, begin_q, reading_q;
  reg [ENGINE_BITS-1:0] engine_q;
  reg [POINTER:0] packet_q, read_q;
  wire in_active = restart_i || opened_q || begin_q || (in_here_i && (in_open_i || in_start_i || in_done_i)) || (in_start_i && reading_q);
  reg [POINTER:0] send, oldest, in_written, in_committed;
  reg [ENTRY:0] entries_out, in_entries_in;
  reg sent, has;
  reg [31:0] in_entry_at, read_at;
  reg [15:0] offered, in_length;

  always @(posedge clk_i) begin
    if (in_active) begin
      {send, oldest, entries_out}                 = in_q[in_engine_i];
      {in_written, in_committed, in_entries_in}   = out_q[in_engine_i];
      has         = in_entries_in != entries_out;
      sent        = in_done_i && in_ok_i && in_here_i && open_q[in_engine_i];
      in_entry_at = entry_address(in_engine_i, entries_out);
      offered     = {4'd0, bytes_o};
      in_length   = {5'd0, in_length_i};
      if (opened_q) behind_q[engine_q] <= in_q[engine_q][POINTER+ENTRY+1:ENTRY+1] + offered[POINTER:0];
      if (sent) begin
        send = send + packet_q;
        if (unsent_q[in_engine_i]) begin
          oldest      = behind_q[in_engine_i];
          entries_out = entries_out + 1'b1;
        end
        unsent_q[in_engine_i] <= 1'b0;
      end
      if (in_open_i && in_here_i) begin
        send = oldest;  // what was not fetched of the last interval is dropped
        bytes_o               <= length_q[in_entry_at[PAIR_BITS+ENTRIES_LOG2-1:0]];
        has_o                 <= has;
        open_q[in_engine_i]   <= has;
        unsent_q[in_engine_i] <= has;
      end
      in_q[restart_i ? restart_engine_i : in_engine_i] <=
          restart_i ? {(2 * POINTER + ENTRY + 3) {1'b0}} : {send, oldest, entries_out};
      if (restart_i) open_q[restart_engine_i] <= 1'b0;
      opened_q <= in_open_i && in_here_i && !rst_i;
      begin_q  <= in_start_i && in_here_i && !rst_i;
      if (in_open_i || in_start_i) engine_q <= in_engine_i;
      if (in_start_i) begin
        packet_q  <= in_length[POINTER:0];
        reading_q <= in_here_i;
      end
    end
    // The address of the byte after next is ready before it is asked for, so that the RAM's read register is the output.
    if (begin_q || (in_next_i && reading_q)) begin
      read_at = data_address(engine_q, read_q);
      data_o <= data_q[read_at[PAIR_BITS+BYTES_LOG2-1:0]];
      read_q <= read_q + 1'b1;
    end
    if (in_start_i && in_here_i) read_q <= send;
    if (rst_i) begin
      opened_q  <= 1'b0;
      begin_q   <= 1'b0;
      reading_q <= 1'b0;
    end
  end

  // ---- room, looked at 1 clock after something has changed
  reg changed_q;
  reg [ENGINE_BITS-1:0] changed_engine_q;
  wire changes = restart_i || (out_here_i && out_commit_i) || (in_here_i && (in_open_i || in_done_i));
  reg [POINTER:0] room_written, room_committed, room_send, room_oldest;
  reg [ENTRY:0] room_in, room_out;

  always @(posedge clk_i) begin
    if (changed_q) begin
      {room_written, room_committed, room_in} = out_q[changed_engine_q];
      {room_send, room_oldest, room_out}      = in_q[changed_engine_q];
      room_q[changed_engine_q] <= {{(4 - ENGINE_BITS) {1'b0}}, changed_engine_q} < PAIR_COUNT &&
          BYTES - (room_committed - room_send) >= LARGEST_BULK && room_in - room_out != ENTRIES;
    end
    if (changes) changed_engine_q <= restart_i ? restart_engine_i : out_here_i && out_commit_i ? out_engine_i : in_engine_i;
    changed_q <= changes;
  end

  assign room_o = !out_here_i || room_q[out_engine_i];
  assign overflow_o = overflow_q[out_engine_i];
  assign busy_o = opened_q || begin_q || changed_q || dropped_o;
  // verilator lint_on UNUSEDSIGNAL
endmodule

`default_nettype wire
