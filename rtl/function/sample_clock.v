// isochio: the device's sample clock: how many samples the (micro)frame that just ended was worth, and the feedback value.
//
// Exact integer arithmetic: phase_q counts 1/60 000 000 of a sample, and each frame adds (60 MHz clocks of the frame) * rate to it. The
// nominal number of clocks (60 000 at full speed, 7 500 at high speed) is worked in as a quotient and a remainder that are
// divided out once, when the rate or the speed changes; the difference from it, a few clocks, is multiplied bit by bit.
// Synchronous mode leaves the difference out. A frame that is off by more than 1023 clocks (a gap) counts as nominal.
// busy_o for about 60 clocks after a change, 4 a frame in synchronous mode, about 12 in asynchronous mode, 16 + period_i more when
// a feedback value is due; only while needed_i, and never else.
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
    input  wire        changed_i,      // strobe: rate_i is new at the next clock
    input  wire [ 3:0] period_i,       // feedback is measured over 2^period_i (micro)frames
    output reg  [19:0] samples_o,      // counted so far, modulo 2^20
    output reg  [15:0] last_o,         // in the last (micro)frame
    output reg  [31:0] feedback_o,     // samples per (micro)frame, 16.16; nominal until the first period is over
    output wire        busy_o
);
  localparam [25:0] SECOND = 26'd60_000_000;

  localparam [2:0] IDLE = 3'd0, QUOTIENT = 3'd1, REMAINDER = 3'd2, DIFFERENCE = 3'd3, CARRY = 3'd4, FRACTION = 3'd5,
      AVERAGE = 3'd6;

  reg [2:0] state_q;
  reg [4:0] count_q;
  reg speed_q, changed_q, setting_up_q;

  // The frame that ended.
  reg [31:0] since_q;
  reg due_q, minus_q;
  reg [9:0] difference_q;

  reg [24:0] quotient_q;          // whole samples in a nominal frame (fewer than 2^16), and
  reg [25:0] step_q;              // the rest, in 1/60 000 000
  reg signed [36:0] phase_q;      // 0 ... SECOND - 1 between frames
  reg [34:0] product_q, factor_q;
  reg [15:0] whole_q;

  // Feedback.
  reg [31:0] sum_q;
  reg [15:0] frames_q;
  reg [25:0] rest_q;
  reg [15:0] fraction_q, fraction_before_q;
  reg [47:0] total_q;

  wire [16:0] nominal = high_speed_i ? 17'd7_500 : 17'd60_000;
  wire [13:0] per_second = high_speed_i ? 14'd8_000 : 14'd1_000;

  // Intermediate values, used within one clock only: assigned with "=", hence the waiver.
  // verilator lint_off BLKSEQ
  reg signed [31:0] off;
  reg [26:0] twice;
  reg [14:0] rest;

  always @(posedge clk_i) begin
    if (rst_i) begin
      state_q   <= IDLE;
      due_q     <= 1'b0;
      changed_q <= 1'b1;
      speed_q   <= 1'b0;
      samples_o <= 20'd0;
      last_o    <= 16'd0;
      since_q   <= 32'd0;
    end else begin
      if (changed_i) changed_q <= 1'b1;
      if (high_speed_i != speed_q) begin
        speed_q   <= high_speed_i;
        changed_q <= 1'b1;
      end

      if (tick_i) begin
        off     = $signed(stamp_i - since_q - {15'd0, nominal});
        since_q <= stamp_i;
        due_q   <= needed_i;
        minus_q <= off < 0;
        if (!asynchronous_i || off > 1023 || off < -1023) difference_q <= 10'd0;
        else difference_q <= off < 0 ? ~off[9:0] + 10'd1 : off[9:0];
      end

      case (state_q)
        IDLE: begin
          if (changed_q) begin
            changed_q    <= 1'b0;
            setting_up_q <= 1'b1;
            quotient_q   <= rate_i;
            rest_q       <= 26'd0;
            count_q      <= 5'd24;
            state_q      <= QUOTIENT;
          end else if (due_q) begin
            due_q     <= tick_i && needed_i;
            phase_q   <= phase_q + {11'd0, step_q};
            whole_q   <= quotient_q[15:0];
            product_q <= 35'd0;
            factor_q  <= {10'd0, rate_i};
            state_q   <= difference_q == 10'd0 ? CARRY : DIFFERENCE;
          end
        end
        QUOTIENT: begin  // rate / frames per second
          rest = {rest_q[13:0], quotient_q[24]};
          quotient_q <= {quotient_q[23:0], rest >= {1'b0, per_second}};
          rest_q     <= {11'd0, rest >= {1'b0, per_second} ? rest - {1'b0, per_second} : rest};
          count_q    <= count_q - 5'd1;
          step_q     <= 26'd0;
          factor_q   <= {18'd0, nominal};
          if (count_q == 5'd0) state_q <= REMAINDER;
        end
        REMAINDER: begin  // rest * nominal clocks, in 1/60 000 000 of a sample
          if (rest_q[0]) step_q <= step_q + factor_q[25:0];
          factor_q <= {factor_q[33:0], 1'b0};
          rest_q   <= {1'b0, rest_q[25:1]};
          count_q  <= 5'd15;
          if (rest_q == 26'd0) begin
            rest_q  <= step_q;
            state_q <= FRACTION;
          end
        end
        DIFFERENCE: begin
          if (difference_q == 10'd0) begin
            phase_q <= minus_q ? phase_q - {2'd0, product_q} : phase_q + {2'd0, product_q};
            state_q <= CARRY;
          end else begin
            if (difference_q[0]) product_q <= product_q + factor_q;
            factor_q     <= {factor_q[33:0], 1'b0};
            difference_q <= {1'b0, difference_q[9:1]};
          end
        end
        CARRY: begin
          if (phase_q < 0) begin
            phase_q <= phase_q + $signed({11'd0, SECOND});
            whole_q <= whole_q - 16'd1;
          end else if (phase_q >= $signed({11'd0, SECOND})) begin
            phase_q <= phase_q - $signed({11'd0, SECOND});
            whole_q <= whole_q + 16'd1;
          end else begin
            samples_o <= samples_o + {4'd0, whole_q};
            last_o    <= whole_q;
            sum_q     <= sum_q + {16'd0, whole_q};
            frames_q  <= frames_q + 16'd1;
            rest_q    <= phase_q[25:0];
            count_q   <= 5'd15;
            // ">" too: the period may have become shorter meanwhile.
            state_q   <= frames_q + 16'd1 >= 16'd1 << period_i ? FRACTION : IDLE;
          end
        end
        FRACTION: begin  // phase / 60 000 000 to 16 bits
          twice = {rest_q, 1'b0};
          fraction_q <= {fraction_q[14:0], twice >= {1'b0, SECOND}};
          rest_q     <= twice >= {1'b0, SECOND} ? twice[25:0] - SECOND : twice[25:0];
          count_q    <= count_q - 5'd1;
          if (count_q == 5'd0) begin
            state_q <= AVERAGE;
            count_q <= 5'd31;
          end
        end
        AVERAGE: begin
          if (setting_up_q) begin
            feedback_o        <= {quotient_q[15:0], fraction_q};
            last_o            <= quotient_q[15:0];
            setting_up_q      <= 1'b0;
            phase_q           <= 37'd0;
            fraction_before_q <= 16'd0;
            sum_q             <= 32'd0;
            frames_q          <= 16'd0;
            state_q           <= IDLE;
          end else if (count_q == 5'd31) begin
            total_q <= {sum_q, 16'd0} + {32'd0, fraction_q} - {32'd0, fraction_before_q};
            count_q <= 5'd0;
          end else if (frames_q > 16'd1) begin
            total_q  <= {1'b0, total_q[47:1]};
            frames_q <= {1'b0, frames_q[15:1]};
          end else begin
            feedback_o        <= total_q[31:0];
            fraction_before_q <= fraction_q;
            sum_q             <= 32'd0;
            frames_q          <= 16'd0;
            state_q           <= IDLE;
          end
        end
        default: state_q <= IDLE;
      endcase
    end
  end

  assign busy_o = state_q != IDLE || due_q || changed_q || high_speed_i != speed_q;
endmodule

`default_nettype wire
