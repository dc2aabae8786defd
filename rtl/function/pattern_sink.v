// isochio: checks the bytes of OUT data packets against docs/payload.md, and reports what a service interval brought.
//
// One sink for all engines. A packet is judged at end_i; its verdict waits (per engine, up to three packets) for commit_i or
// discard_i. job_o strobes 2 clocks after commit_i, with the sums of the interval in the other job outputs, stable till the next.
// First bad byte of a corrupt packet: the packet is regenerated from the number and the length in its own header. If what then differs
// can only come from a damaged header field (the body is another number's body; the CRC32 is not where the length says), the
// field is named instead.
`default_nettype none

module pattern_sink #(
    // log2 of the engines there is state for, 1 ... 3.
    parameter ENGINE_BITS = 3
) (
    input  wire                   clk_i,
    input  wire                   rst_i,
    input  wire                   restart_i,           // restart_engine_i expects 0 next; its pending verdicts are dropped
    input  wire [ENGINE_BITS-1:0] restart_engine_i,
    input  wire [ENGINE_BITS-1:0] engine_i,
    input  wire [            3:0] function_i,          // FUNCTION register of engine_i
    // (Waiver: the PRBS state has 31 bits, and its lowest starts as 1.)
    // verilator lint_off UNUSEDSIGNAL
    input  wire [           31:0] seed_i,
    // verilator lint_on UNUSEDSIGNAL
    input  wire [           13:0] frame_i,
    input  wire                   start_i,
    input  wire                   valid_i,
    input  wire [            7:0] data_i,
    input  wire                   end_i,
    input  wire                   commit_i,
    input  wire                   discard_i,
    output reg                    job_o,
    output reg  [ENGINE_BITS-1:0] job_engine_o,
    output reg  [            1:0] job_packets_o,
    output reg  [           12:0] job_bytes_o,
    output reg  [            1:0] job_zero_length_o,
    output reg  [           31:0] job_lost_o,
    output reg  [            1:0] job_duplicate_o,
    output reg  [            1:0] job_reordered_o,
    output reg  [            1:0] job_corrupt_o,
    output reg  [            1:0] job_mistimed_o,
    output reg  [            1:0] job_truncated_o,
    output reg  [           31:0] job_bad_sequence_o,  // of the first corrupt packet; valid if job_corrupt_o is not 0
    output reg  [           26:0] job_bad_o,           // 26..16 offset, 15..8 expected, 7..0 seen
    output wire                   busy_o
);
  localparam ENGINES = 1 << ENGINE_BITS;
  localparam [3:0] PATTERN = 4'd1, ZEROS = 4'd2, MOD63 = 4'd3;
  localparam [30:0] GOLDEN = 31'h1E3779B1;     // 0x9E3779B1 modulo 2^31: more the PRBS state does not hold
  localparam [31:0] CRC_RESIDUE = 32'hDEBB20E3;  // a packet's CRC register after its own CRC32

  // The packet that is arriving.
  reg [3:0] function_q;
  reg [13:0] frame_q;
  reg [11:0] index_q;     // bytes received
  reg [63:0] header_q;
  reg [31:0] crc_q;
  reg [30:0] product_q;   // sequence * GOLDEN, as far as it is known
  reg [30:0] factor_q;
  reg [30:0] state_q;
  reg [15:0] body_left_q; // by the length field
  reg [2:0] tail_left_q;
  reg [23:0] tail_q;
  reg short_q;            // the length field says below 12
  reg bad_q;
  reg [10:0] bad_at_q;
  reg [7:0] bad_expected_q, bad_seen_q;

  // What is adopted, and what waits for the commit.
  reg [31:0] expected_q[0:ENGINES-1];
  reg [ENGINES-1:0] pending_q;
  reg [31:0] next_q[0:ENGINES-1];
  reg [31:0] lost_q[0:ENGINES-1];
  // 26..25 packets, 24..12 bytes, 11..10 of zero length, 9..0 truncated, mistimed, corrupt, reordered, duplicate: two bits each, which
  // do for the three packets of an interval.
  reg [26:0] sums_q[0:ENGINES-1];
  reg [58:0] first_bad_q[0:ENGINES-1];

  `include "function/crc32.vh"

  function [30:0] times_digit(input [30:0] factor, input [3:0] digit);
    times_digit = ({31{digit[0]}} & factor) + ({31{digit[1]}} & {factor[29:0], 1'd0}) +
                  ({31{digit[2]}} & {factor[28:0], 2'd0}) + ({31{digit[3]}} & {factor[27:0], 3'd0});
  endfunction

  // The first byte in which two numbers differ: 17..16 which, 15..8 of the first number, 7..0 of the second.
  function [17:0] first_difference(input [31:0] a, input [31:0] b);
    if (a[7:0] != b[7:0]) first_difference = {2'd0, a[7:0], b[7:0]};
    else if (a[15:8] != b[15:8]) first_difference = {2'd1, a[15:8], b[15:8]};
    else if (a[23:16] != b[23:16]) first_difference = {2'd2, a[23:16], b[23:16]};
    else first_difference = {2'd3, a[31:24], b[31:24]};
  endfunction

  // Intermediate values, used within one clock only, are assigned with "=", hence the waiver.
  // verilator lint_off BLKSEQ

  // ---- bytes, as they come
  reg [30:0] state;
  reg [7:0] wanted;
  reg compare;
  reg [3:0] digit;
  reg [15:0] length_field;

  reg [11:0] index;
  reg [63:0] header;
  reg [31:0] crc;
  reg [23:0] tail;
  reg [30:0] product, factor;
  reg [2:0] tail_left;
  reg [15:0] body_left;
  reg short;

  // (In the order of the text, registers are read before they are written: the simulator then needs no copies of them.)
  always @(posedge clk_i) begin
    if (valid_i) begin
      index     = index_q;
      tail      = tail_q;
      wanted    = 8'd0;
      compare   = 1'b0;
      if (function_q == PATTERN) begin
        crc = crc_q;
        if (!index[11] && index[10:3] == 8'd0) begin
          // The low digits of the sequence's bytes are multiplied as they arrive, the high ones with bytes 4 to 7.
          header  = header_q;
          product = product_q;
          factor  = factor_q;
          digit   = index[2] ? header[{1'b0, index[1:0], 3'd4}+:4] : data_i[3:0];
          header[{index[2:0], 3'd0}+:8] = data_i;
          length_field = header[63:48];
          header_q    <= header;
          product_q   <= product + times_digit(factor, digit);
          factor_q    <= index[2:0] == 3'd3 ? GOLDEN << 4 : {factor[22:0], 8'd0};
          short_q     <= length_field < 16'd12;
          body_left_q <= length_field < 16'd12 ? 16'd0 : length_field - 16'd12;
          tail_left_q <= 3'd4;
        end else begin
          short     = short_q;
          body_left = body_left_q;
          tail_left = tail_left_q;
          if (short) begin
            compare = 1'b1;
          end else if (body_left != 16'd0) begin
            state   = index == 12'd8 ? {seed_i[30:1] ^ product_q[30:1], 1'b1} : state_q;
            wanted  = state[30:23] ^ state[27:20];
            compare = 1'b1;
            state_q     <= {state[22:0], wanted};
            body_left_q <= body_left - 16'd1;
          end else if (tail_left != 3'd0) begin
            wanted  = tail_left == 3'd4 ? ~crc[7:0] : tail[7:0];
            compare = 1'b1;
            tail_q      <= tail_left == 3'd4 ? ~crc[31:8] : {8'd0, tail[23:8]};
            tail_left_q <= tail_left - 3'd1;
          end
        end
        crc_q <= crc32_byte(crc, data_i);
      end else if (function_q == ZEROS) begin
        compare = 1'b1;
      end else if (function_q == MOD63) begin
        wanted  = tail[7:0];
        compare = 1'b1;
        tail_q <= tail[7:0] == 8'd62 ? 24'd0 : tail + 24'd1;
      end
      if (compare && wanted != data_i && !bad_q) begin
        bad_at_q       <= index[10:0];
        bad_expected_q <= wanted;
        bad_seen_q     <= data_i;
        bad_q          <= 1'b1;
      end
      if (index != 12'hFFF) index_q <= index + 12'd1;
    end
    if (start_i) begin
      function_q <= function_i;
      frame_q    <= frame_i;
      index_q    <= 12'd0;
      header_q   <= 64'd0;
      crc_q      <= 32'hFFFFFFFF;
      product_q  <= 31'd0;
      factor_q   <= GOLDEN;
      bad_q      <= 1'b0;
      tail_q     <= 24'd0;
    end
  end

  // ---- the verdict, at end_i
  reg pending;
  reg [26:0] sums;
  reg [31:0] expected, delta, believed;
  reg [15:0] length, stamp, length_seen;
  reg crc_bad, wrong, corrupt, truncated, mistimed, in_tail, in_sequence;
  reg [11:0] reach;
  reg [26:0] bad;

  always @(posedge clk_i) begin
    if (end_i) begin
      pending     = pending_q[engine_i];
      expected    = pending ? next_q[engine_i] : expected_q[engine_i];
      length      = header_q[63:48];
      length_seen = {4'd0, index_q};
      stamp       = {2'b00, frame_q};
      delta       = 32'd0;
      corrupt     = bad_q;
      truncated   = 1'b0;
      mistimed    = 1'b0;
      in_sequence = 1'b0;
      bad         = {bad_at_q, bad_expected_q, bad_seen_q};
      if (function_q == PATTERN && index_q != 12'd0) begin
        delta = header_q[31:0] - expected;
        case (index_q)  // the sequence modulo what arrived of it
          12'd1: delta = {{24{delta[7]}}, delta[7:0]};
          12'd2: delta = {{16{delta[15]}}, delta[15:0]};
          12'd3: delta = {{8{delta[23]}}, delta[23:0]};
          default: ;
        endcase
        crc_bad   = index_q >= 12'd12 && crc_q != CRC_RESIDUE;
        wrong     = index_q >= 12'd8 && (crc_bad || bad_q || length != length_seen);
        truncated = wrong && !bad_q && length != length_seen;
        corrupt   = wrong && !truncated;
        mistimed  = !wrong && index_q >= 12'd6 && header_q[47:32] != stamp;
        if (corrupt && index_q >= 12'd12) begin
          reach       = length < length_seen ? length[11:0] : index_q;
          in_tail     = {1'b0, bad_at_q} + 12'd4 >= reach;
          in_sequence = crc_bad && delta != 32'd0 &&
                        (bad_at_q < 11'd12 || (in_tail && (delta == 32'h80000000 || index_q == 12'd12)));
          if (in_sequence) bad = {9'd0, first_difference(expected, header_q[31:0])};
          else if (in_tail && length != length_seen)
            bad = {9'd1, first_difference({length_seen, 16'd0}, {length, 16'd0})};
          else if (in_tail && header_q[47:32] != stamp)
            bad = {9'd1, first_difference({16'd0, stamp}, {16'd0, header_q[47:32]})};
        end
      end
      // A damaged packet whose number still can be believed is the packet of that number.
      believed = in_sequence ? 32'd0 : delta;
      sums     = pending ? sums_q[engine_i] : 27'd0;
      next_q[engine_i] <= index_q == 12'd0 || believed[31] ? expected : expected + believed + 32'd1;
      lost_q[engine_i] <= (pending ? lost_q[engine_i] : 32'd0) + (believed[31] ? 32'd0 : believed);
      sums_q[engine_i] <= {sums[26:25] + 2'd1, sums[24:12] + {1'b0, index_q}, sums[11:10] + {1'b0, index_q == 12'd0},
                           sums[9:0] + {1'b0, truncated, 1'b0, mistimed, 1'b0, corrupt, 1'b0,
                                        believed[31] && believed != 32'hFFFFFFFF, 1'b0, believed == 32'hFFFFFFFF}};
      if (corrupt && sums[5:4] == 2'd0)
        first_bad_q[engine_i] <= {function_q == PATTERN && !in_sequence ? header_q[31:0] : expected, bad};
    end
  end

  // ---- adopt or drop; the commit may come with the end, so it is looked at one clock later
  reg commit_q;
  reg [ENGINE_BITS-1:0] commit_engine_q;

  reg [ENGINES-1:0] waiting;
  wire active = end_i || commit_i || commit_q || job_o || discard_i || restart_i || rst_i;

  always @(posedge clk_i) begin
    if (active) begin
      waiting = pending_q;
      job_o    <= commit_q && waiting[commit_engine_q] && !rst_i;
      if (restart_i || (commit_q && waiting[commit_engine_q]))
        expected_q[restart_i ? restart_engine_i : commit_engine_q] <= restart_i ? 32'd0 : next_q[commit_engine_q];
      if (commit_q) begin
        job_engine_o      <= commit_engine_q;
        {job_packets_o, job_bytes_o, job_zero_length_o, job_truncated_o, job_mistimed_o, job_corrupt_o, job_reordered_o,
         job_duplicate_o} <= sums_q[commit_engine_q];
        job_lost_o        <= lost_q[commit_engine_q];
        {job_bad_sequence_o, job_bad_o} <= first_bad_q[commit_engine_q];
        waiting[commit_engine_q] = 1'b0;
      end
      if (commit_i) commit_engine_q <= engine_i;
      if (end_i) waiting[engine_i] = 1'b1;
      if (discard_i) waiting[engine_i] = 1'b0;
      if (restart_i) waiting[restart_engine_i] = 1'b0;
      commit_q  <= commit_i && !rst_i;
      pending_q <= rst_i ? {ENGINES{1'b0}} : waiting;
    end
  end

  assign busy_o = commit_q || job_o;
endmodule

`default_nettype wire
