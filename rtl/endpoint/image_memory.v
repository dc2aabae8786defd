// isochio: the device image, 8 KiB of bytes: one write port (loading, and answers stored by control requests), one read port with
// one clock of latency.
`default_nettype none

module image_memory #(
    // $readmemh file, one byte a line; empty: loaded through the write port.
    parameter IMAGE_FILE = ""
) (
    input  wire        clk_i,
    input  wire        we_i,
    input  wire [12:0] write_addr_i,
    input  wire [ 7:0] write_data_i,
    input  wire        re_i,
    input  wire [12:0] addr_i,
    output wire [ 7:0] data_o
);
  reg [7:0] bytes[0:8191];
  reg [7:0] data_q;

  generate
    if (IMAGE_FILE != "") begin : g_file
      initial $readmemh(IMAGE_FILE, bytes);
    end
  endgenerate

  always @(posedge clk_i) begin
    if (we_i) bytes[write_addr_i] <= write_data_i;
    if (re_i) data_q <= bytes[addr_i];
  end

  assign data_o = data_q;
endmodule

`default_nettype wire
