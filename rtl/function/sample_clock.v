// isochio: the device's sample clock: how many samples the (micro)frame that just ended was worth, and the feedback value.
//
// Exact integer arithmetic: phase_q counts 1/60 000 000 of a sample, and each frame adds (60 MHz clocks of the frame) * rate to it. The
// nominal number of clocks (60 000 at full speed, 7 500 at high speed) is worked in as a quotient and a remainder that are
// divided out once, when the rate or the speed changes; the difference from it, a few clocks, is multiplied bit by bit.
// Synchronous mode leaves the difference out. A frame that is off by more than 1023 clocks (a gap) counts as nominal.
// ppm_i makes the clock run fast or slow in either mode: frames are taken as longer by whole clocks, the remainder carried on, so that the
// average is exact.
// busy_o for about 60 clocks after a change, 5 a frame in synchronous mode, about 12 in asynchronous mode, up to 120 more (full speed, the
// largest ppm_i), 16 + period_i more when a feedback value is due; only while needed_i, and never else.
`default_nettype none

module sample_clock (
    input  wire        clk_i,
    input  wire        rst_i,
    input  wire        high_speed_i,
    input  wire        tick_i,         // a (micro)frame starts
    input  wire [31:0] stamp_i,        // 60 MHz clocks
    input  wire        needed_i,       // some engine wants samples or feedback
    input  wire        asynchronous_i,
    input  wire [24:0] rate_i,         // samples per second
    input  wire [11:0] ppm_i,          // signed: how much faster than that the clock runs, in millionths
    input  wire        changed_i,      // strobe: rate_i is new at the next clock
    input  wire [ 3:0] period_i,       // feedback is measured over 2^period_i (micro)frames
    output reg  [19:0] samples_o,      // counted so far, modulo 2^20
    output reg  [15:0] last_o,         // in the last (micro)frame
    output reg  [31:0] feedback_o,     // samples per (micro)frame, 16.16; nominal until the first period is over
    output wire        busy_o
);
  localparam [25:0] SECOND = 26'd60_000_000;

  localparam [2:0] IDLE = 3'd0, QUOTIENT = 3'd1, REMAINDER = 3'd2, DIFFERENCE = 3'd3, CARRY = 3'd4, FRACTION = 3'd5,
      AVERAGE = 3'd6, TRIM = 3'd7;

  reg [2:0] state_q;
  reg [4:0] count_q;
  reg speed_q, changed_q, setting_up_q;

  // The frame that ended.
  reg [31:0] since_q;
  reg due_q, minus_q;
  reg signed [11:0] off_q;        // clocks more than nominal
  reg signed [16:0] trim_q;       // of ppm_i, not yet in off_q: in 1/400 clock
  reg [10:0] difference_q;

  reg [24:0] quotient_q;          // whole samples in a nominal frame (fewer than 2^16), and
  reg [25:0] step_q;              // the rest, in 1/60 000 000
  reg signed [36:0] phase_q;      // 0 ... SECOND - 1 between frames
  reg [35:0] product_q, factor_q;
  reg [15:0] whole_q;

  // Feedback.
  reg [31:0] sum_q;
  reg [15:0] frames_q;
  reg [25:0] rest_q;
  reg [15:0] fraction_q, fraction_before_q;
  reg [47:0] total_q;

  wire [16:0] nominal = high_speed_i ? 17'd7_500 : 17'd60_000;
  wire [13:0] per_second = high_speed_i ? 14'd8_000 : 14'd1_000;

  wire busy = state_q != IDLE || due_q || changed_q || high_speed_i != speed_q;

  // Working copies, used within one clock only: assigned with "=", hence the waiver. All registers are read before any is written; the
  // simulator then needs no copies of its own, and nothing is done at a clock with nothing to do.
  // verilator lint_off BLKSEQ
  reg signed [31:0] off;
  reg signed [11:0] off_by;
  reg signed [16:0] trim, trim_step;
  reg [26:0] twice;
  reg [14:0] rest;
  reg [2:0] state;
  reg [4:0] count;
  reg due, changed, setting_up, minus;
  reg [10:0] difference;
  reg [24:0] quotient;
  reg [25:0] step, rest_of;
  reg signed [36:0] phase;
  reg [35:0] product, factor;
  reg [15:0] whole, frames, fraction, fraction_before, last;
  reg [31:0] sum, feedback;
  reg [47:0] total;
  reg [19:0] samples;

  always @(posedge clk_i) begin
    if (busy || tick_i || changed_i || rst_i) begin
      state           = state_q;
      count           = count_q;
      due             = due_q;
      changed         = changed_q || changed_i || high_speed_i != speed_q;
      setting_up      = setting_up_q;
      minus           = minus_q;
      off_by          = off_q;
      trim            = trim_q;
      difference      = difference_q;
      quotient        = quotient_q;
      step            = step_q;
      phase           = phase_q;
      product         = product_q;
      factor          = factor_q;
      whole           = whole_q;
      sum             = sum_q;
      frames          = frames_q;
      rest_of         = rest_q;
      fraction        = fraction_q;
      fraction_before = fraction_before_q;
      total           = total_q;
      samples         = samples_o;
      last            = last_o;
      feedback        = feedback_o;

      case (state)
        IDLE: begin
          if (changed) begin
            changed    = 1'b0;
            setting_up = 1'b1;
            quotient   = rate_i;
            rest_of    = 26'd0;
            count      = 5'd24;
            state      = QUOTIENT;
          end else if (due) begin
            due   = 1'b0;
            state = TRIM;
          end
        end
        TRIM: begin
          if (trim >= 17'sd400) begin
            trim   = trim - 17'sd400;
            off_by = off_by + 12'sd1;
          end else if (trim < 17'sd0) begin
            trim   = trim + 17'sd400;
            off_by = off_by - 12'sd1;
          end else begin
            phase      = phase + $signed({11'd0, step});
            whole      = quotient[15:0];
            product    = 36'd0;
            factor     = {11'd0, rate_i};
            minus      = off_by < 12'sd0;
            difference = minus ? ~off_by[10:0] + 11'd1 : off_by[10:0];
            state      = difference == 11'd0 ? CARRY : DIFFERENCE;
          end
        end
        QUOTIENT: begin  // rate / frames per second
          rest     = {rest_of[13:0], quotient[24]};
          quotient = {quotient[23:0], rest >= {1'b0, per_second}};
          rest_of  = {11'd0, rest >= {1'b0, per_second} ? rest - {1'b0, per_second} : rest};
          step     = 26'd0;
          factor   = {19'd0, nominal};
          if (count == 5'd0) state = REMAINDER;
          count = count - 5'd1;
        end
        REMAINDER: begin  // rest * nominal clocks, in 1/60 000 000 of a sample
          if (rest_of[0]) step = step + factor[25:0];
          factor  = {factor[34:0], 1'b0};
          rest_of = {1'b0, rest_of[25:1]};
          count   = 5'd15;
          if (rest_of == 26'd0) begin
            rest_of = step;
            state   = FRACTION;
          end
        end
        DIFFERENCE: begin
          if (difference == 11'd0) begin
            phase = minus ? phase - $signed({1'b0, product}) : phase + $signed({1'b0, product});
            state = CARRY;
          end else begin
            if (difference[0]) product = product + factor;
            factor     = {factor[34:0], 1'b0};
            difference = {1'b0, difference[10:1]};
          end
        end
        CARRY: begin
          if (phase < 0) begin
            phase = phase + $signed({11'd0, SECOND});
            whole = whole - 16'd1;
          end else if (phase >= $signed({11'd0, SECOND})) begin
            phase = phase - $signed({11'd0, SECOND});
            whole = whole + 16'd1;
          end else begin
            samples = samples + {4'd0, whole};
            last    = whole;
            sum     = sum + {16'd0, whole};
            frames  = frames + 16'd1;
            rest_of = phase[25:0];
            count   = 5'd15;
            state   = frames == 16'd1 << period_i ? FRACTION : IDLE;
          end
        end
        FRACTION: begin  // phase / 60 000 000 to 16 bits
          twice    = {rest_of, 1'b0};
          fraction = {fraction[14:0], twice >= {1'b0, SECOND}};
          rest_of  = twice >= {1'b0, SECOND} ? twice[25:0] - SECOND : twice[25:0];
          total    = {sum, 16'd0} + {32'd0, fraction} - {32'd0, fraction_before};
          if (count == 5'd0) state = AVERAGE;
          count = count - 5'd1;
        end
        default: begin  // AVERAGE
          if (setting_up) begin
            setting_up      = 1'b0;
            feedback        = {quotient[15:0], fraction};
            last            = quotient[15:0];
            phase           = 37'd0;
            fraction_before = 16'd0;
            sum             = 32'd0;
            frames          = 16'd0;
            state           = IDLE;
          end else if (frames > 16'd1) begin
            total  = {1'b0, total[47:1]};
            frames = {1'b0, frames[15:1]};
          end else begin
            feedback        = total[31:0];
            fraction_before = fraction;
            sum             = 32'd0;
            frames          = 16'd0;
            state           = IDLE;
          end
        end
      endcase

      if (tick_i) begin
        off   = $signed(stamp_i - since_q - {15'd0, nominal});
        due   = needed_i;
        off_by = !asynchronous_i || off > 1023 || off < -1023 ? 12'sd0 : off[11:0];
        // nominal * ppm / 1 000 000: 24/400 of ppm_i at full speed, 3/400 at high speed.
        trim_step = {{5{ppm_i[11]}}, ppm_i};
        trim_step = (trim_step <<< 1) + trim_step;
        if (!high_speed_i) trim_step = trim_step <<< 3;
        trim = needed_i ? trim + trim_step : 17'sd0;
        since_q <= stamp_i;
      end
      if (rst_i) begin
        state   = IDLE;
        due     = 1'b0;
        changed = 1'b1;
        samples = 20'd0;
        trim    = 17'sd0;
        since_q <= 32'd0;
      end

      state_q           <= state;
      count_q           <= count;
      due_q             <= due;
      changed_q         <= changed;
      speed_q           <= high_speed_i;
      setting_up_q      <= setting_up;
      minus_q           <= minus;
      off_q             <= off_by;
      trim_q            <= trim;
      difference_q      <= difference;
      quotient_q        <= quotient;
      step_q            <= step;
      phase_q           <= phase;
      product_q         <= product;
      factor_q          <= factor;
      whole_q           <= whole;
      sum_q             <= sum;
      frames_q          <= frames;
      rest_q            <= rest_of;
      fraction_q        <= fraction;
      fraction_before_q <= fraction_before;
      total_q           <= total;
      samples_o         <= samples;
      last_o            <= last;
      feedback_o        <= feedback;
    end
  end

  assign busy_o = busy;
endmodule

`default_nettype wire
