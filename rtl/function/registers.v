// isochio: the registers of docs/registers.md, and what each engine is set to.
//
// Read data is valid 2 clocks after re_i. An endpoint's row (setup_en_i) sets its engine's registers as it comes. After reset and on
// CONTROL bit 10 the engines are walked one a clock with restart_*_o; after reset the walk also gives their registers the reset values.
// A value too large for a register's width becomes the largest that fits.
`default_nettype none

module registers #(
    parameter IN_ENGINES = 6,
    parameter OUT_ENGINES = 6,
    parameter LOG_LOG2 = 12,
    parameter LOOPBACK_LOG2 = 13,
    // log2 of the engines there is state for, of either direction, 1 ... 3.
    parameter ENGINE_BITS = 3
) (
    input  wire                   clk_i,
    input  wire                   rst_i,
    // What the read-only registers show.
    input  wire [           31:0] stamp_i,
    input  wire [           13:0] frame_i,
    input  wire                   frame_locked_i,
    input  wire                   high_speed_i,
    input  wire                   configured_i,
    input  wire                   suspended_i,
    input  wire [            6:0] address_i,
    input  wire [           31:0] log_count_i,
    input  wire [           31:0] log_lost_i,
    input  wire [           31:0] feedback_i,
    // Access.
    input  wire [            9:0] addr_i,
    input  wire [           31:0] wdata_i,
    input  wire                   we_i,
    input  wire                   re_i,
    output reg  [           31:0] rdata_o,
    output wire [            8:0] counter_address_o,  // see counters.v; read with re_i
    input  wire [           31:0] counter_i,
    output wire                   list_we_o,
    input  wire [           11:0] list_rdata_i,       // 1 clock after re_i
    output wire [           11:0] list_wdata_o,
    // An endpoint is put on an engine.
    input  wire                   setup_en_i,
    input  wire                   setup_in_i,
    input  wire [            3:0] setup_engine_i,
    // (Waiver: the row's bytes are taken as they are; what the engine needs is used.)
    // verilator lint_off UNUSEDSIGNAL
    input  wire [           71:0] setup_row_i,
    // verilator lint_on UNUSEDSIGNAL
    output wire                   restart_in_o,
    output wire                   restart_out_o,
    output wire [ENGINE_BITS-1:0] restart_engine_o,
    // The engines of the current transactions.
    input  wire [ENGINE_BITS-1:0] in_engine_i,
    output wire [            3:0] in_function_o,
    output wire [           31:0] in_seed_o,
    output wire [            1:0] in_size_mode_o,
    output wire [           11:0] in_size_o,
    output wire [            7:0] in_sample_bytes_o,
    output wire [            4:0] in_list_length_o,
    output wire [           11:0] in_capacity_o,
    output wire [            3:0] in_interval_o,
    output wire [            1:0] in_format_o,
    input  wire [ENGINE_BITS-1:0] out_engine_i,
    output wire [            3:0] out_function_o,
    output wire [           31:0] out_seed_o,
    // Control.
    output reg                    log_enabled_o,
    output reg  [           15:0] log_mask_o,
    output wire                   log_clear_o,
    output wire                   counters_clear_o,
    output reg  [           24:0] sample_rate_o,
    output reg  [           11:0] sample_ppm_o,       // signed
    output reg                    sample_asynchronous_o,
    output wire                   sample_needed_o,
    output reg                    sample_changed_o,   // rate or period are new
    output reg  [            3:0] feedback_period_o,
    output reg  [           31:0] feedback_override_o,
    output reg  [           31:0] feedback_fault_o,
    // The FAULT registers are in fault_plan.v: read data 1 clock after re_i.
    input  wire [           15:0] fault_i,
    output wire                   busy_o
);
  localparam ENGINES = 1 << ENGINE_BITS;
  localparam [31:0] SEED = 32'h49534F49;
  localparam [3:0] FEEDBACK = 4'd5;
  localparam [1:0] SAMPLES = 2'd2;
  localparam [31:0] INS_32 = IN_ENGINES, OUTS_32 = OUT_ENGINES, LOG_32 = LOG_LOG2, LOOPBACK_32 = LOOPBACK_LOG2;
  localparam [3:0] INS = INS_32[3:0], OUTS = OUTS_32[3:0];
  localparam [7:0] LOG = LOG_32[7:0], LOOPBACK = LOOPBACK_32[7:0];

  // What an engine is set to. IN: 48..45 function, 44..43 size mode, 42..31 size, 30..23 sample bytes, 22..18 list length, 17..6
  // capacity, 5..2 interval, 1..0 feedback format.
  reg [48:0] in_q[0:ENGINES-1];
  reg [31:0] in_seed_q[0:ENGINES-1];
  reg [3:0] out_function_q[0:ENGINES-1];
  reg [31:0] out_seed_q[0:ENGINES-1];
  reg [ENGINES-1:0] sampling_q, feeding_back_q;

  // ---- writes: the bus, an endpoint row, or the walk after reset
  reg [3:0] walk_q;  // engine that is restarted next; bit 3: none
  reg walk_resets_q;
  wire walking = !walk_q[3] && !setup_en_i;
  wire [ENGINE_BITS-1:0] at = setup_en_i ? setup_engine_i[ENGINE_BITS-1:0]
                              : walking ? walk_q[ENGINE_BITS-1:0] : addr_i[5+:ENGINE_BITS];
  wire write_control = we_i && addr_i == 10'h004;
  assign counters_clear_o = write_control && wdata_i[8];
  assign log_clear_o = write_control && wdata_i[9];
  assign restart_in_o = walking || (setup_en_i && setup_in_i && setup_engine_i < INS);
  assign restart_out_o = walking || (setup_en_i && !setup_in_i && setup_engine_i < OUTS);
  assign restart_engine_o = at;

  // Intermediate values, used within one clock only: assigned with "=", hence the waiver. Registers are read before they are written; the
  // simulator then needs no copies of them.
  // verilator lint_off BLKSEQ
  reg in_exists, out_exists, resetting, row_in, row_out;
  reg [48:0] settings;
  reg [3:0] function_;
  reg [11:0] packet_bytes, capacity;
  reg [1:0] more_packets;

  always @(posedge clk_i) begin
    if (we_i || walking || setup_en_i || sample_changed_o || rst_i) begin
      in_exists  = {1'b0, addr_i[7:5]} < INS;
      out_exists = {1'b0, addr_i[7:5]} < OUTS;
      resetting  = walking && walk_resets_q;
      row_in     = setup_en_i && setup_in_i && setup_engine_i < INS;
      row_out    = setup_en_i && !setup_in_i && setup_engine_i < OUTS;
      settings   = resetting ? {4'd0, 2'd0, 12'd0, 8'd0, 5'd1, 12'd0, 4'd0, 2'd0} : in_q[at];
      function_  = setup_en_i ? setup_row_i[35:32] : resetting ? 4'd0 : |wdata_i[31:4] ? 4'd15 : wdata_i[3:0];
      if (row_in) begin
        // The row: bits 7..0 are byte 1, 15..8 byte 4 and so on.
        packet_bytes = {1'b0, setup_row_i[18:8]};
        more_packets = setup_row_i[20:19];
        capacity     = packet_bytes + (more_packets != 2'd0 ? packet_bytes : 12'd0) + (more_packets[1] ? packet_bytes : 12'd0);
        settings = {function_, setup_row_i[37:36], |setup_row_i[55:52] ? 12'hFFF : setup_row_i[51:40], setup_row_i[63:56],
                    settings[22:18], capacity, setup_row_i[27:24], setup_row_i[69:68]};
      end else if (we_i && addr_i[9:8] == 2'd1 && in_exists && !resetting) begin
        case (addr_i[4:0])
          5'd0: settings[48:45] = function_;
          5'd2: settings[44:43] = |wdata_i[31:2] ? 2'd3 : wdata_i[1:0];
          5'd3: settings[42:31] = |wdata_i[31:12] ? 12'hFFF : wdata_i[11:0];
          5'd4: settings[30:23] = |wdata_i[31:8] ? 8'hFF : wdata_i[7:0];
          5'd5: settings[22:18] = wdata_i > 32'd16 ? 5'd16 : wdata_i[4:0];
          default: ;
        endcase
      end
      in_q[at]           <= settings;
      feeding_back_q[at] <= settings[48:45] == FEEDBACK;
      sampling_q[at]     <= settings[44:43] == SAMPLES;
      if (resetting || (we_i && addr_i[9:8] == 2'd1 && in_exists && addr_i[4:0] == 5'd1))
        in_seed_q[at] <= resetting ? SEED : wdata_i;
      if (row_out || resetting || (we_i && addr_i[9:8] == 2'd2 && out_exists && addr_i[4:0] == 5'd0))
        out_function_q[at] <= function_;
      if (resetting || (we_i && addr_i[9:8] == 2'd2 && out_exists && addr_i[4:0] == 5'd1))
        out_seed_q[at] <= resetting ? SEED : wdata_i;

      if (walking) begin
        if (walk_q == 4'd7) walk_resets_q <= 1'b0;
        walk_q <= walk_q + 4'd1;
      end
      sample_changed_o <= row_in && function_ == FEEDBACK;
      if (row_in && function_ == FEEDBACK) feedback_period_o <= setup_row_i[67:64];
      if (we_i && addr_i[9:4] == 6'd0) begin
        case (addr_i[3:0])
          4'h4: begin
            log_enabled_o <= wdata_i[0];
            if (wdata_i[10]) walk_q <= 4'd0;
          end
          4'h5: log_mask_o <= wdata_i[15:0];
          4'hA: begin
            sample_rate_o    <= |wdata_i[31:25] ? 25'h1FFFFFF : wdata_i[24:0];
            sample_changed_o <= 1'b1;
          end
          4'hB: sample_asynchronous_o <= wdata_i != 32'd0;
          4'hD: feedback_override_o <= wdata_i;
          4'hE: feedback_fault_o <= wdata_i;
          4'hF: sample_ppm_o <= wdata_i[31:11] == {21{wdata_i[31]}} ? wdata_i[11:0] : {wdata_i[31], {11{!wdata_i[31]}}};
          default: ;
        endcase
      end
      if (rst_i) begin
        walk_q                <= 4'd0;
        walk_resets_q         <= 1'b1;
        feeding_back_q        <= {ENGINES{1'b0}};
        sampling_q            <= {ENGINES{1'b0}};
        log_enabled_o         <= 1'b1;
        log_mask_o            <= 16'hFFFF;
        sample_rate_o         <= 25'd48_000;
        sample_ppm_o          <= 12'd0;
        sample_asynchronous_o <= 1'b0;
        sample_changed_o      <= 1'b0;
        feedback_override_o   <= 32'd0;
        feedback_fault_o      <= 32'd0;
        feedback_period_o     <= 4'd0;
      end
    end
  end

  assign sample_needed_o = feeding_back_q != {ENGINES{1'b0}} || sampling_q != {ENGINES{1'b0}};

  // ---- what the current engines are set to
  assign {in_function_o, in_size_mode_o, in_size_o, in_sample_bytes_o, in_list_length_o, in_capacity_o, in_interval_o, in_format_o} =
      in_q[in_engine_i];
  assign in_seed_o = in_seed_q[in_engine_i];
  assign out_function_o = out_function_q[out_engine_i];
  assign out_seed_o = out_seed_q[out_engine_i];

  // ---- reads: RAMs at re_i, the choice one clock later
  reg re_q;
  reg [9:0] addr_q;
  reg [30:0] shown;
  reg [ENGINE_BITS-1:0] engine;

  // Registers 8 ... 23 of an engine are counters 0 ... 15.
  assign counter_address_o = addr_i[9:8] == 2'd0 ? {5'd0, addr_i[3:0]} : {addr_i[9:5], addr_i[4], addr_i[2:0]};
  assign list_we_o = we_i && addr_i[9:7] == 3'b110 && {1'b0, addr_i[6:4]} < INS;
  assign list_wdata_o = |wdata_i[31:12] ? 12'hFFF : wdata_i[11:0];

  always @(posedge clk_i) begin
    if (re_q) begin
      engine = addr_q[5+:ENGINE_BITS];
      shown  = in_q[engine][48:18];
      rdata_o <= 32'd0;
      case (addr_q[9:8])
        2'd0:
        if (addr_q[7:4] == 4'd1) rdata_o <= counter_i;
        else if (addr_q[7:4] == 4'd0)
          case (addr_q[3:0])
            4'h0: rdata_o <= 32'h4F495349;
            4'h1: rdata_o <= 32'd1;
            4'h2: rdata_o <= {8'd0, LOOPBACK, LOG, OUTS, INS};
            4'h3: rdata_o <= {17'd0, address_i, 5'd0, suspended_i, configured_i, high_speed_i};
            4'h4: rdata_o <= {31'd0, log_enabled_o};
            4'h5: rdata_o <= {16'd0, log_mask_o};
            4'h6: rdata_o <= log_count_i;
            4'h7: rdata_o <= log_lost_i;
            4'h8: rdata_o <= {frame_locked_i, 17'd0, frame_i};
            4'h9: rdata_o <= stamp_i;
            4'hA: rdata_o <= {7'd0, sample_rate_o};
            4'hB: rdata_o <= {31'd0, sample_asynchronous_o};
            4'hC: rdata_o <= feedback_i;
            4'hD: rdata_o <= feedback_override_o;
            4'hE: rdata_o <= feedback_fault_o;
            4'hF: rdata_o <= {{20{sample_ppm_o[11]}}, sample_ppm_o};
            default: rdata_o <= 32'd0;
          endcase
        2'd1:
        if ({1'b0, addr_q[7:5]} < INS)
          case (addr_q[4:0])
            5'd0: rdata_o <= {28'd0, shown[30:27]};
            5'd1: rdata_o <= in_seed_q[engine];
            5'd2: rdata_o <= {30'd0, shown[26:25]};
            5'd3: rdata_o <= {20'd0, shown[24:13]};
            5'd4: rdata_o <= {24'd0, shown[12:5]};
            5'd5: rdata_o <= {27'd0, shown[4:0]};
            5'd8, 5'd9, 5'd10, 5'd12, 5'd21: rdata_o <= counter_i;
            5'd24, 5'd25, 5'd26, 5'd27: rdata_o <= {16'd0, fault_i};
            default: rdata_o <= 32'd0;
          endcase
        2'd2:
        if ({1'b0, addr_q[7:5]} < OUTS)
          case (addr_q[4:0])
            5'd0: rdata_o <= {28'd0, out_function_q[engine]};
            5'd1: rdata_o <= out_seed_q[engine];
            5'd8, 5'd9, 5'd10, 5'd11, 5'd12, 5'd13, 5'd14, 5'd15, 5'd16, 5'd17, 5'd18, 5'd19, 5'd20, 5'd21: rdata_o <= counter_i;
            5'd24, 5'd25, 5'd26, 5'd27: rdata_o <= {16'd0, fault_i};
            default: rdata_o <= 32'd0;
          endcase
        default: if (!addr_q[7] && {1'b0, addr_q[6:4]} < INS) rdata_o <= {20'd0, list_rdata_i};
      endcase
    end
    if (re_i) addr_q <= addr_i;
    re_q <= re_i && !rst_i;
  end

  assign busy_o = !walk_q[3] || re_q || sample_changed_o;
endmodule

`default_nettype wire
