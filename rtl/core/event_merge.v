// isochio: one stream of events, at most one a clock, from the transaction engine, the frame timer and the line state.
//
// The transaction engine's events pass at once (combinational); the others wait here for a free clock. Two frame events or two line events are never
// so close that one would overwrite a waiting one.
`default_nettype none

module event_merge (
    input  wire        clk_i,
    input  wire        rst_i,
    input  wire        transaction_i,
    input  wire [ 3:0] kind_i,
    input  wire [ 4:0] endpoint_i,
    input  wire [ 3:0] engine_i,
    input  wire [15:0] length_i,
    input  wire [ 7:0] pid_i,
    input  wire [ 3:0] status_i,
    input  wire        frame_i,
    input  wire        missed_i,
    input  wire        unexpected_i,
    input  wire [10:0] frame_number_i,
    input  wire        line_i,
    input  wire [ 2:0] line_status_i,
    input  wire [ 6:0] address_i,
    output wire        event_o,
    output wire [ 3:0] kind_o,
    output wire [ 4:0] endpoint_o,
    output wire [ 3:0] engine_o,
    output wire [15:0] length_o,
    output wire [ 7:0] pid_o,
    output wire [ 3:0] status_o,
    output wire        quiet_o
);
  localparam EV_SOF = 4'd0, EV_SOF_MISSED = 4'd1, EV_LINE = 4'd7;
  localparam [7:0] PID_SOF = 8'hA5;

  reg frame_q, missed_q, unexpected_q, line_q;
  reg [2:0] line_status_q;

  always @(posedge clk_i) begin
    if (frame_i) begin
      frame_q <= 1'b1;
      missed_q <= missed_i;
      unexpected_q <= unexpected_i;
    end else if (!transaction_i) frame_q <= 1'b0;
    if (line_i) begin
      line_q <= 1'b1;
      line_status_q <= line_status_i;
    end else if (!transaction_i && !frame_q) line_q <= 1'b0;
    if (rst_i) begin
      frame_q <= 1'b0;
      line_q  <= 1'b0;
    end
  end

  assign event_o = transaction_i || frame_q || line_q;
  assign kind_o = transaction_i ? kind_i : frame_q ? (missed_q ? EV_SOF_MISSED : EV_SOF) : EV_LINE;
  assign endpoint_o = transaction_i ? endpoint_i : 5'd0;
  assign engine_o = engine_i;
  assign length_o = transaction_i ? length_i : frame_q ? {5'd0, frame_number_i} : {9'd0, address_i};
  assign pid_o = transaction_i ? pid_i : (frame_q && !missed_q) ? PID_SOF : 8'd0;
  assign status_o = transaction_i ? status_i : frame_q ? {3'd0, unexpected_q} : {1'b0, line_status_q};
  assign quiet_o = !frame_q && !line_q;
endmodule

`default_nettype wire
