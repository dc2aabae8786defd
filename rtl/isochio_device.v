// isochio: top of the device: a UTMI (8 bit, 60 MHz) USB 2.0 function whose endpoints, descriptors and answers come
// from an image (docs/device-image.md). All ports are described in docs/rtl.md.
`default_nettype none

module isochio_device #(
    // Generic engines of each direction, control endpoint aside: 1 ... 8.
    parameter IN_ENGINES = 6,
    parameter OUT_ENGINES = 6,
    // Base-2 logarithm of the entries of the event log: 4 ... 12.
    parameter LOG_ENTRIES_LOG2 = 10,
    // Base-2 logarithm of the bytes of loopback buffer per engine: 11 ... 14.
    parameter LOOPBACK_LOG2 = 13,
    // $readmemh file of the image, one byte a line; empty: the image comes through the port.
    parameter IMAGE_FILE = ""
) (
    input wire clk_i,
    input wire rst_i,
    input wire [7:0] utmi_data_i,
    input wire utmi_rx_valid_i,
    input wire utmi_rx_active_i,
    input wire utmi_rx_error_i,
    input wire [1:0] utmi_line_state_i,
    input wire utmi_tx_ready_i,
    output wire [7:0] utmi_data_o,
    output wire utmi_tx_valid_o,
    output wire utmi_xcvr_select_o,
    output wire utmi_term_select_o,
    output wire [1:0] utmi_op_mode_o,
    output wire utmi_suspend_n_o,
    input wire fs_only_i,
    input wire remote_wakeup_i,
    input wire image_we_i,
    input wire [12:0] image_addr_i,
    input wire [7:0] image_data_i,
    input wire [31:0] skip_i,
    output wire quiet_o,
    output wire [31:0] wake_o,
    output wire status_high_speed_o,
    output wire status_configured_o,
    output wire status_suspended_o,
    // Frame number 13..3, microframe 2..0.
    output wire [13:0] status_frame_o
);
  // The parts are joined here as they land; until then the device is silent: full speed, non-driving.
  assign utmi_data_o = 8'd0;
  assign utmi_tx_valid_o = 1'b0;
  assign utmi_xcvr_select_o = 1'b1;
  assign utmi_term_select_o = 1'b1;
  assign utmi_op_mode_o = 2'd1;
  assign utmi_suspend_n_o = 1'b1;
  assign quiet_o = 1'b1;
  assign wake_o = 32'hFFFFFFFF;
  assign status_high_speed_o = 1'b0;
  assign status_configured_o = 1'b0;
  assign status_suspended_o = 1'b0;
  assign status_frame_o = 14'd0;
endmodule
