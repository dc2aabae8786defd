// isochio: how many bytes an IN engine offers in a service interval: fixed, from a list, or what the sample clock has counted.
//
// bytes_o and has_o are valid 1 clock after open_i and stable till the next. Nothing larger than the endpoint's capacity is offered.
// Sample clock: an engine takes the samples counted since it was last asked. If it was not asked for two service intervals or more, what
// was not fetched is gone, and it offers one interval's worth at the present rate.
`default_nettype none

module size_schedule #(
    // log2 of the engines there is state for, 1 ... 3.
    parameter ENGINE_BITS = 3
) (
    input  wire                   clk_i,
    input  wire                   restart_i,        // list position and sample count of restart_engine_i start anew
    input  wire [ENGINE_BITS-1:0] restart_engine_i,
    input  wire                   open_i,
    input  wire [ENGINE_BITS-1:0] engine_i,
    // Registers and row of engine_i.
    input  wire [            3:0] function_i,
    input  wire [            1:0] mode_i,
    input  wire [           11:0] size_i,
    input  wire [            7:0] sample_bytes_i,
    input  wire [            4:0] list_length_i,
    input  wire [           11:0] capacity_i,       // bytes the endpoint carries in a service interval
    input  wire [            3:0] interval_i,       // log2 of (micro)frames
    input  wire                   feedback_3_i,     // the feedback value is of 3 bytes, else of 4
    // Time and samples.
    input  wire [           13:0] frame_i,
    input  wire                   high_speed_i,
    input  wire [           19:0] samples_i,        // counted so far, modulo 2^20
    input  wire [           15:0] samples_last_i,   // in the (micro)frame that ended last
    // Loopback: the next interval, valid 1 clock after open_i.
    input  wire                   loop_has_i,
    input  wire [           11:0] loop_bytes_i,
    // The lists, as registers: list_rdata_o 1 clock after list_re_i.
    input  wire                   list_we_i,
    input  wire                   list_re_i,
    input  wire [ENGINE_BITS+3:0] list_addr_i,
    input  wire [           11:0] list_wdata_i,
    output reg  [           11:0] list_rdata_o,
    output wire [           11:0] bytes_o,
    output wire                   has_o
);
  localparam [3:0] NONE = 4'd0, MOD63 = 4'd3, LOOPBACK = 4'd4, FEEDBACK = 4'd5;
  localparam [1:0] LIST = 2'd1, SAMPLES = 2'd2;

  reg [11:0] list_q[0:(16<<ENGINE_BITS)-1];
  // Per engine: 38 was asked before, 37..34 list position, 33..14 samples taken, 13..0 when it was asked.
  reg [38:0] engine_q[0:(1<<ENGINE_BITS)-1];

  reg from_list_q, from_loop_q, has_q;
  reg [11:0] bytes_q, capacity_q, entry_q;

  // Intermediate values, used within one clock only: assigned with "=", hence the waiver.
  // verilator lint_off BLKSEQ
  reg [38:0] was;
  reg [13:0] elapsed;
  reg [3:0] position, next_position;
  reg in_time;
  reg [30:0] worth;
  reg [19:0] samples;
  reg [19:0] product;

  always @(posedge clk_i) begin
    if (open_i || list_re_i || list_we_i || restart_i) begin
      was        = engine_q[engine_i];
      position      = was[37:34];
      next_position = position;
      if (open_i) begin
        from_list_q <= 1'b0;
        from_loop_q <= 1'b0;
        capacity_q  <= capacity_i;
        has_q       <= function_i != NONE && function_i <= FEEDBACK;
        bytes_q     <= 12'd0;
        if (function_i == LOOPBACK) begin
          from_loop_q <= 1'b1;
        end else if (function_i == FEEDBACK) begin
          bytes_q <= feedback_3_i ? 12'd3 : 12'd4;
        end else if (function_i != NONE && function_i <= MOD63) begin
          bytes_q <= size_i == 12'd0 ? capacity_i : size_i;
          if (mode_i == LIST) begin
            from_list_q   <= 1'b1;
            next_position = {1'b0, position} + 5'd1 >= list_length_i ? 4'd0 : position + 4'd1;
          end else if (mode_i == SAMPLES) begin
            elapsed = high_speed_i ? frame_i - was[13:0] : {3'd0, frame_i[13:3] - was[13:3]};
            // Intervals near the period of the frame number can't be told from gaps.
            in_time = was[38] && (interval_i >= 4'd10 || elapsed < (14'd2 << interval_i));
            worth   = {15'd0, samples_last_i} << interval_i;
            samples = in_time ? samples_i - was[33:14] : |worth[30:20] ? 20'hFFFFF : worth[19:0];
            product = {8'd0, samples[11:0]} * {12'd0, sample_bytes_i};
            bytes_q <= samples[19:12] != 8'd0 || product[19:12] != 8'd0 ? 12'hFFF : product[11:0];
          end
        end
      end
      if (open_i) entry_q <= list_q[{engine_i, position}];
      if (list_re_i) list_rdata_o <= list_q[list_addr_i];
      if (list_we_i) list_q[list_addr_i] <= list_wdata_i;
      if (open_i || restart_i)
        engine_q[restart_i ? restart_engine_i : engine_i] <= restart_i ? 39'd0 : {1'b1, next_position, samples_i, frame_i};
    end
  end

  wire [11:0] offered = from_list_q ? entry_q : from_loop_q && loop_has_i ? loop_bytes_i : bytes_q;
  assign bytes_o = offered > capacity_q ? capacity_q : offered;
  assign has_o   = from_loop_q ? loop_has_i : has_q;
endmodule

`default_nettype wire
