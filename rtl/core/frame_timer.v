// isochio: frame number and microframe from SOFs; a lost or corrupt SOF still advances them.
//
// After the first SOF the next one is expected one interval later: the last interval between two received SOFs if it was within tolerance of the
// nominal one, else the nominal one. If none has come MARGIN clocks after that, the (micro)frame is predicted; it starts where it was
// due, so that a run of misses does not drift. An SOF that still comes in the first half of a predicted (micro)frame belongs to it, and
// shows the interval too: a clock that is fast by the 2500 ppm that a full-speed device may have is beyond the margin at first.
// An SOF that comes again in the first half of its (micro)frame moves nothing; it is logged as unexpected.
// Any other SOF begins a (micro)frame, whatever its number. With another number than the next one the count goes a wrap of the
// numbers further, too, so that a service interval whose number has been there already is not taken for the same one.
// MARGIN lies above the host's jitter (500 ns, 62.5 ns: USB 2.0 section 7.1.12) and below the end of the first token after the
// SOF (full speed 185 clocks, high speed 19), so that this token already sees the new (micro)frame.
// The microframe is a guess until the frame number has changed between two SOFs; `locked_o` says that it is known.
`default_nettype none

module frame_timer (
    input  wire        clk_i,
    input  wire        rst_i,
    input  wire [31:0] stamp_i,
    // Low: reset, suspended; the timer forgets what it knew but keeps the numbers.
    input  wire        enable_i,
    input  wire        high_speed_i,
    // Strobe: a good SOF ended.
    input  wire        sof_i,
    input  wire [10:0] sof_number_i,
    output wire        tick_o,
    // 13..3 frame number, 2..0 microframe (0 at full speed).
    output wire [13:0] frame_o,
    // (Micro)frames, for service intervals: its low bits are those of frame_o (full speed: 10..0 the frame number).
    output wire [23:0] count_o,
    output wire        locked_o,
    // Strobe with a tick or a SOF: one event for the log.
    output wire        event_o,
    output wire        event_missed_o,
    output wire        event_unexpected_o,
    // Clocks until a miss is declared.
    output wire        deadline_valid_o,
    output wire [31:0] deadline_o
);
  localparam [31:0] FS_INTERVAL = 32'd60000, HS_INTERVAL = 32'd7500;
  localparam [31:0] FS_MARGIN = 32'd100, HS_MARGIN = 32'd12;
  // How far an interval may lie from nominal to be believed.
  localparam [31:0] FS_TOLERANCE = 32'd192, HS_TOLERANCE = 32'd32;

  reg [13:0] frame_q;
  reg [23:0] count_q;
  reg running_q, locked_q, predicted_q, tick_q, event_q, missed_q, unexpected_q;
  reg [31:0] since_q, interval_q, deadline_q;
  // The last SOF received; once_q: one (micro)frame has been predicted since.
  reg [31:0] last_q;
  reg once_q;

  wire [31:0] margin = high_speed_i ? HS_MARGIN : FS_MARGIN;
  wire [31:0] nominal = high_speed_i ? HS_INTERVAL : FS_INTERVAL;
  wire [31:0] tolerance = high_speed_i ? HS_TOLERANCE : FS_TOLERANCE;

  // Temporaries, of no meaning outside one clock: assigned before they are read, so blocking assignments are meant.
  /* verilator lint_off BLKSEQ */
  reg [31:0] age, elapsed, interval, off;
  reg [13:0] next, arrived;
  reg belongs, again, jumps;

  // How far the count moves on: the difference of the frames modulo their wrap, so that the count goes on where the frame wraps.
  reg [13:0] ahead;

  always @(posedge clk_i) begin
    tick_q  <= 1'b0;
    event_q <= 1'b0;
    if (!enable_i) begin
      running_q <= 1'b0;
      locked_q  <= 1'b0;
    end else if (sof_i) begin
      age = stamp_i - since_q;
      next = high_speed_i ? frame_q + 14'd1 : {frame_q[13:3] + 11'd1, 3'd0};
      belongs = running_q && age < {1'b0, nominal[31:1]} && sof_number_i == frame_q[13:3];
      again = belongs && !predicted_q;
      if (belongs) arrived = frame_q;
      else if (sof_number_i == next[13:3]) arrived = next;
      else arrived = {sof_number_i, 3'd0};
      elapsed = stamp_i - last_q;
      if (running_q && (!predicted_q || (once_q && belongs))) begin
        off = elapsed - nominal + tolerance;
        interval = (off <= {tolerance[30:0], 1'b0}) ? elapsed : nominal;
      end else interval = nominal;
      ahead = high_speed_i ? arrived - frame_q : {3'd0, arrived[13:3] - frame_q[13:3]};
      jumps = !belongs && arrived != next;
      if (!again) begin
        since_q <= stamp_i;
        last_q <= stamp_i;
        interval_q <= interval;
        deadline_q <= stamp_i + interval + margin;
        once_q <= 1'b0;
      end
      frame_q <= arrived;
      count_q <= count_q + {10'd0, ahead} + (!jumps ? 24'd0 : high_speed_i ? 24'h4000 : 24'h800);
      running_q <= 1'b1;
      predicted_q <= 1'b0;
      // Without lock the microframe is a guess until a change of number shows it.
      if (!high_speed_i || (running_q && sof_number_i != frame_q[13:3])) locked_q <= 1'b1;
      tick_q <= !belongs;
      event_q <= 1'b1;
      missed_q <= 1'b0;
      unexpected_q <= again || (locked_q && !belongs && sof_number_i != next[13:3]);
    end else if (running_q && (stamp_i - deadline_q) < 32'h80000000) begin
      next = high_speed_i ? frame_q + 14'd1 : {frame_q[13:3] + 11'd1, 3'd0};
      frame_q <= next;
      count_q <= count_q + 24'd1;
      since_q <= since_q + interval_q;
      deadline_q <= deadline_q + interval_q;
      predicted_q <= 1'b1;
      once_q <= !predicted_q;
      tick_q <= 1'b1;
      event_q <= 1'b1;
      missed_q <= 1'b1;
      unexpected_q <= 1'b0;
    end
    if (rst_i) begin
      running_q <= 1'b0;
      locked_q <= 1'b0;
      predicted_q <= 1'b0;
      once_q <= 1'b0;
      frame_q <= 14'd0;
      count_q <= 24'd0;
      tick_q <= 1'b0;
    end
  end

  /* verilator lint_on BLKSEQ */

  assign tick_o = tick_q;
  assign frame_o = frame_q;
  assign count_o = count_q;
  assign locked_o = locked_q;
  assign event_o = event_q;
  assign event_missed_o = missed_q;
  assign event_unexpected_o = unexpected_q;
  assign deadline_valid_o = running_q;
  assign deadline_o = deadline_q;
endmodule

`default_nettype wire
