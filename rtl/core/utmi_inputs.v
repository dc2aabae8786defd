// isochio: registers what comes from the transceiver and the pin once, at every clock; this is what tells the rest of the
// device, whose clock a simulator may leave out (docs/rtl.md), that there is something to do.
`default_nettype none

module utmi_inputs (
    input  wire       clk_i,
    input  wire       rst_i,
    input  wire [7:0] utmi_data_i,
    input  wire       utmi_rx_valid_i,
    input  wire       utmi_rx_active_i,
    input  wire       utmi_rx_error_i,
    input  wire [1:0] utmi_line_state_i,
    input  wire       remote_wakeup_i,
    // The same, one clock later; valid and error only inside a packet, data held between bytes.
    output reg  [7:0] data_o,
    output reg        valid_o,
    output reg        active_o,
    output reg        error_o,
    output reg  [1:0] line_state_o,
    output reg        remote_wakeup_o
);
  localparam [1:0] J = 2'd1;

  always @(posedge clk_i) begin
    active_o <= utmi_rx_active_i && !rst_i;
    valid_o <= utmi_rx_valid_i && utmi_rx_active_i;
    error_o <= utmi_rx_error_i && utmi_rx_active_i;
    if (utmi_rx_valid_i) data_o <= utmi_data_i;
    line_state_o <= rst_i ? J : utmi_line_state_i;
    remote_wakeup_o <= remote_wakeup_i;
  end
endmodule

`default_nettype wire
