// isochio: top of the device: a UTMI (8 bit, 60 MHz) USB 2.0 function whose endpoints, descriptors and answers come
// from an image (docs/device-image.md). All ports are described in docs/rtl.md.
`default_nettype none

module isochio_device #(
    // Generic engines of each direction, control endpoint aside: 1 ... 8.
    parameter IN_ENGINES = 6,
    parameter OUT_ENGINES = 6,
    // Passed to isochio_function: log2 of the event log's entries, log2 of the loopback bytes of an engine pair, pairs of engines.
    parameter LOG_LOG2 = 12,
    parameter LOOPBACK_LOG2 = 13,
    parameter LOOPBACK_PAIRS = 6,
    // $readmemh file of the image, one byte a line; empty: the image comes through the port.
    parameter IMAGE_FILE = ""
) (
    // 60 MHz. clk_work_i is the same clock; a simulator may leave out its edges (docs/rtl.md).
    input wire clk_i,
    input wire clk_work_i,
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
    input wire [31:0] skipped_i,
    output wire quiet_o,
    output wire work_o,
    output wire [31:0] wake_o,
    output wire status_high_speed_o,
    output wire status_configured_o,
    output wire status_suspended_o,
    // Frame number 13..3, microframe 2..0.
    output wire [13:0] status_frame_o
);
  // Time: the only free-running counter, which takes in the clocks that a simulator left out.
  reg [31:0] stamp_q;
  wire [31:0] stamp = stamp_q + skipped_i;
  always @(posedge clk_i) stamp_q <= rst_i ? 32'd0 : stamp + 32'd1;

  wire operating, high_speed, suspended, bus_reset, drive, drive_j, line_event;
  wire [2:0] line_status;

  wire in_pin_valid, in_pin_active, in_pin_error, in_pin_wakeup;
  wire [7:0] in_pin_data;
  wire [1:0] in_pin_line;

  wire rx_start, rx_end, rx_pid_valid, rx_pid_good, crc5_good, crc16_good, rx_error, rx_byte_valid;
  wire [7:0] rx_pid, rx_byte;
  wire [10:0] rx_token;
  wire [11:0] rx_length;

  wire tx_start, tx_next, tx_done, tx_crc_bad;
  wire [3:0] tx_pid, tx_pid_mask;
  wire [10:0] tx_length;
  wire [7:0] tx_data_mask;

  wire fault_fetch, fault_in, fault_taken;
  wire [3:0] fault_engine, fault_kind;
  wire [11:0] fault_argument;

  wire sof, frame_tick, frame_locked, frame_event, frame_missed, frame_unexpected;
  wire [13:0] frame;
  wire [23:0] count;

  wire table_clear, table_setup, table_remove, table_halt, table_unhalt, change_valid, change_halt, change_isochronous;
  wire [4:0] table_index, lookup_index;
  wire [22:0] table_attributes, attributes;
  wire lookup, endpoint_valid, endpoint_toggle, endpoint_halt, endpoint_fresh, flip, state_we;
  wire [38:0] state_read, state_write;

  wire control, ctl_setup_start, ctl_setup_done, ctl_out_start, ctl_out_done, ctl_valid, ctl_in_start, ctl_in_done;
  wire ctl_in_toggle, ctl_out_toggle;
  wire [1:0] ctl_in_kind, ctl_out_kind;
  wire [6:0] ctl_in_length;
  wire [7:0] ctl_in_data;

  wire [6:0] address;
  wire configured, high_speed_capable, remote_wakeup_enabled, test_packet;
  wire [2:0] test_mode;

  wire image_re, store_we;
  wire [12:0] image_read_addr, store_addr;
  wire [7:0] image_read_data, store_data;

  wire setup_en, setup_in, reg_we, reg_re, log_pop, log_empty;
  wire [3:0] setup_engine;
  wire [71:0] setup_row;
  wire [9:0] reg_addr;
  wire [31:0] reg_wdata, reg_rdata;
  wire [95:0] log_data;

  wire [3:0] in_engine, out_engine;
  wire in_open, in_has, in_start, in_done, in_ok;
  wire [11:0] in_bytes;
  wire [10:0] in_length;
  wire [7:0] in_data;
  wire out_room, out_overflow, out_start, out_valid, out_end, out_commit, out_discard;

  wire t_event, event_valid;
  wire [3:0] t_kind, t_engine, t_status, event_kind, event_engine, event_status;
  wire [4:0] t_endpoint, event_endpoint;
  wire [15:0] t_length, event_length;
  wire [7:0] t_pid, event_pid;

  wire line_changed, in_next_needed;
  wire rx_quiet, tx_quiet, line_quiet, transaction_quiet, control_quiet, merge_quiet, function_busy;
  wire line_timer, transaction_timer, frame_timer_runs;
  wire [31:0] line_deadline, transaction_deadline, frame_deadline;

  utmi_inputs u_utmi_inputs (
      .clk_i(clk_i),
      .rst_i(rst_i),
      .utmi_data_i(utmi_data_i),
      .utmi_rx_valid_i(utmi_rx_valid_i),
      .utmi_rx_active_i(utmi_rx_active_i),
      .utmi_rx_error_i(utmi_rx_error_i),
      .utmi_line_state_i(utmi_line_state_i),
      .remote_wakeup_i(remote_wakeup_i),
      .data_o(in_pin_data),
      .valid_o(in_pin_valid),
      .active_o(in_pin_active),
      .error_o(in_pin_error),
      .line_state_o(in_pin_line),
      .remote_wakeup_o(in_pin_wakeup)
  );

  packet_rx u_packet_rx (
      .clk_i(clk_i),
      .rst_i(rst_i),
      .in_data_i(in_pin_data),
      .in_valid_i(in_pin_valid),
      .in_active_i(in_pin_active),
      .in_error_i(in_pin_error),
      .start_o(rx_start),
      .end_o(rx_end),
      .pid_valid_o(rx_pid_valid),
      .pid_o(rx_pid),
      .pid_good_o(rx_pid_good),
      .token_o(rx_token),
      .crc5_good_o(crc5_good),
      .length_o(rx_length),
      .crc16_good_o(crc16_good),
      .error_o(rx_error),
      .byte_valid_o(rx_byte_valid),
      .byte_o(rx_byte),
      .quiet_o(rx_quiet)
  );

  packet_tx u_packet_tx (
      .clk_i(clk_i),
      .rst_i(rst_i),
      .enable_i(operating),
      .start_i(tx_start),
      .pid_i(tx_pid),
      .length_i(tx_length),
      .pid_mask_i(tx_pid_mask),
      .crc_bad_i(tx_crc_bad),
      .data_mask_i(tx_data_mask),
      .data_i(control ? ctl_in_data : in_data),
      .next_o(tx_next),
      .done_o(tx_done),
      .drive_i(drive),
      .drive_j_i(drive_j),
      .utmi_data_o(utmi_data_o),
      .utmi_tx_valid_o(utmi_tx_valid_o),
      .utmi_tx_ready_i(utmi_tx_ready_i),
      .quiet_o(tx_quiet)
  );

  line_state u_line_state (
      .clk_i(clk_work_i),
      .rst_i(rst_i),
      .stamp_i(stamp),
      .in_line_i(in_pin_line),
      .activity_i(rx_start || rx_end || tx_done),
      .fs_only_i(fs_only_i),
      .high_speed_capable_i(high_speed_capable),
      .remote_wakeup_i(in_pin_wakeup),
      .remote_wakeup_enabled_i(remote_wakeup_enabled),
      .test_mode_i(test_mode),
      .utmi_xcvr_select_o(utmi_xcvr_select_o),
      .utmi_term_select_o(utmi_term_select_o),
      .utmi_op_mode_o(utmi_op_mode_o),
      .utmi_suspend_n_o(utmi_suspend_n_o),
      .drive_o(drive),
      .drive_j_o(drive_j),
      .operating_o(operating),
      .high_speed_o(high_speed),
      .suspended_o(suspended),
      .reset_o(bus_reset),
      .event_o(line_event),
      .event_status_o(line_status),
      .deadline_valid_o(line_timer),
      .deadline_o(line_deadline),
      .changed_o(line_changed),
      .quiet_o(line_quiet)
  );

  frame_timer u_frame_timer (
      .clk_i(clk_work_i),
      .rst_i(rst_i),
      .stamp_i(stamp),
      .enable_i(operating && test_mode == 3'd0),
      .high_speed_i(high_speed),
      .sof_i(sof),
      .sof_number_i(rx_token),
      .tick_o(frame_tick),
      .frame_o(frame),
      .count_o(count),
      .locked_o(frame_locked),
      .event_o(frame_event),
      .event_missed_o(frame_missed),
      .event_unexpected_o(frame_unexpected),
      .deadline_valid_o(frame_timer_runs),
      .deadline_o(frame_deadline)
  );

  transaction u_transaction (
      .clk_i(clk_work_i),
      .rst_i(rst_i),
      .stamp_i(stamp),
      .enable_i(operating),
      .high_speed_i(high_speed),
      .address_i(address),
      .count_i(count),
      .tick_i(frame_tick),
      .test_mode_i(test_mode),
      .test_packet_i(test_packet),
      .active_i(in_pin_active),
      .start_i(rx_start),
      .end_i(rx_end),
      .pid_valid_i(rx_pid_valid),
      .pid_i(rx_pid),
      .pid_good_i(rx_pid_good),
      .token_i(rx_token),
      .crc5_good_i(crc5_good),
      .length_i(rx_length),
      .crc16_good_i(crc16_good),
      .error_i(rx_error),
      .byte_valid_i(rx_byte_valid),
      .tx_start_o(tx_start),
      .tx_pid_o(tx_pid),
      .tx_length_o(tx_length),
      .tx_done_i(tx_done),
      .tx_pid_mask_o(tx_pid_mask),
      .tx_crc_bad_o(tx_crc_bad),
      .tx_data_mask_o(tx_data_mask),
      .fault_fetch_o(fault_fetch),
      .fault_in_o(fault_in),
      .fault_engine_o(fault_engine),
      .fault_taken_o(fault_taken),
      .fault_kind_i(fault_kind),
      .fault_argument_i(fault_argument),
      .sof_o(sof),
      .lookup_o(lookup),
      .lookup_index_o(lookup_index),
      .valid_i(endpoint_valid),
      .toggle_i(endpoint_toggle),
      .halt_i(endpoint_halt),
      .fresh_i(endpoint_fresh),
      .attributes_i(attributes),
      .state_i(state_read),
      .flip_o(flip),
      .state_we_o(state_we),
      .state_o(state_write),
      .control_o(control),
      .ctl_setup_start_o(ctl_setup_start),
      .ctl_setup_done_o(ctl_setup_done),
      .ctl_out_start_o(ctl_out_start),
      .ctl_out_done_o(ctl_out_done),
      .ctl_valid_o(ctl_valid),
      .ctl_out_kind_i(ctl_out_kind),
      .ctl_out_toggle_i(ctl_out_toggle),
      .ctl_in_start_o(ctl_in_start),
      .ctl_in_done_o(ctl_in_done),
      .ctl_in_kind_i(ctl_in_kind),
      .ctl_in_toggle_i(ctl_in_toggle),
      .ctl_in_length_i(ctl_in_length),
      .in_engine_o(in_engine),
      .in_open_o(in_open),
      .in_bytes_i(in_bytes),
      .in_has_i(in_has),
      .in_start_o(in_start),
      .in_length_o(in_length),
      .in_done_o(in_done),
      .in_ok_o(in_ok),
      .out_engine_o(out_engine),
      .out_room_i(out_room),
      .out_overflow_i(out_overflow),
      .out_start_o(out_start),
      .out_valid_o(out_valid),
      .out_end_o(out_end),
      .out_commit_o(out_commit),
      .out_discard_o(out_discard),
      .event_o(t_event),
      .event_kind_o(t_kind),
      .event_endpoint_o(t_endpoint),
      .event_engine_o(t_engine),
      .event_length_o(t_length),
      .event_pid_o(t_pid),
      .event_status_o(t_status),
      .deadline_valid_o(transaction_timer),
      .deadline_o(transaction_deadline),
      .quiet_o(transaction_quiet)
  );

  endpoint_table u_endpoint_table (
      .clk_i(clk_work_i),
      .clear_i(table_clear),
      .change_index_i(table_index),
      .setup_i(table_setup),
      .setup_attributes_i(table_attributes),
      .remove_i(table_remove),
      .halt_i(table_halt),
      .unhalt_i(table_unhalt),
      .change_valid_o(change_valid),
      .change_halt_o(change_halt),
      .change_isochronous_o(change_isochronous),
      .lookup_i(lookup),
      .lookup_index_i(lookup_index),
      .valid_o(endpoint_valid),
      .toggle_o(endpoint_toggle),
      .halt_o(endpoint_halt),
      .fresh_o(endpoint_fresh),
      .attributes_o(attributes),
      .state_o(state_read),
      .flip_i(flip),
      .state_we_i(state_we),
      .state_i(state_write)
  );

  control_endpoint #(
      .IN_ENGINES(IN_ENGINES),
      .OUT_ENGINES(OUT_ENGINES)
  ) u_control_endpoint (
      .clk_i(clk_work_i),
      .rst_i(rst_i),
      .reset_i(bus_reset),
      .high_speed_i(high_speed),
      .frame_number_i(frame[13:3]),
      .setup_start_i(ctl_setup_start),
      .setup_done_i(ctl_setup_done),
      .out_start_i(ctl_out_start),
      .out_done_i(ctl_out_done),
      .valid_i(ctl_valid),
      .data_i(rx_byte),
      .out_kind_o(ctl_out_kind),
      .out_toggle_o(ctl_out_toggle),
      .in_start_i(ctl_in_start),
      .in_next_i(tx_next && control),
      .in_done_i(ctl_in_done),
      .in_kind_o(ctl_in_kind),
      .in_toggle_o(ctl_in_toggle),
      .in_length_o(ctl_in_length),
      .in_data_o(ctl_in_data),
      .address_o(address),
      .configured_o(configured),
      .high_speed_capable_o(high_speed_capable),
      .remote_wakeup_enabled_o(remote_wakeup_enabled),
      .test_mode_o(test_mode),
      .test_packet_o(test_packet),
      .image_re_o(image_re),
      .image_addr_o(image_read_addr),
      .image_data_i(image_read_data),
      .image_we_o(store_we),
      .image_write_addr_o(store_addr),
      .image_write_data_o(store_data),
      .table_clear_o(table_clear),
      .table_index_o(table_index),
      .table_setup_o(table_setup),
      .table_attributes_o(table_attributes),
      .table_remove_o(table_remove),
      .table_halt_o(table_halt),
      .table_unhalt_o(table_unhalt),
      .table_valid_i(change_valid),
      .table_halt_i(change_halt),
      .table_isochronous_i(change_isochronous),
      .setup_en_o(setup_en),
      .setup_in_o(setup_in),
      .setup_engine_o(setup_engine),
      .setup_row_o(setup_row),
      .reg_addr_o(reg_addr),
      .reg_wdata_o(reg_wdata),
      .reg_we_o(reg_we),
      .reg_re_o(reg_re),
      .reg_rdata_i(reg_rdata),
      .log_pop_o(log_pop),
      .log_data_i(log_data),
      .log_empty_i(log_empty),
      .quiet_o(control_quiet)
  );

  image_memory #(
      .IMAGE_FILE(IMAGE_FILE)
  ) u_image_memory (
      .clk_i(clk_work_i),
      .we_i(image_we_i || store_we),
      .write_addr_i(store_we ? store_addr : image_addr_i),
      .write_data_i(store_we ? store_data : image_data_i),
      .re_i(image_re),
      .addr_i(image_read_addr),
      .data_o(image_read_data)
  );

  event_merge u_event_merge (
      .clk_i(clk_work_i),
      .rst_i(rst_i),
      .transaction_i(t_event),
      .kind_i(t_kind),
      .endpoint_i(t_endpoint),
      .engine_i(t_engine),
      .length_i(t_length),
      .pid_i(t_pid),
      .status_i(t_status),
      .frame_i(frame_event),
      .missed_i(frame_missed),
      .unexpected_i(frame_unexpected),
      .frame_number_i(frame[13:3]),
      .line_i(line_event),
      .line_status_i(line_status),
      .address_i(address),
      .event_o(event_valid),
      .kind_o(event_kind),
      .endpoint_o(event_endpoint),
      .engine_o(event_engine),
      .length_o(event_length),
      .pid_o(event_pid),
      .status_o(event_status),
      .quiet_o(merge_quiet)
  );

  isochio_function #(
      .IN_ENGINES(IN_ENGINES),
      .OUT_ENGINES(OUT_ENGINES),
      .LOG_LOG2(LOG_LOG2),
      .LOOPBACK_LOG2(LOOPBACK_LOG2),
      .LOOPBACK_PAIRS(LOOPBACK_PAIRS)
  ) u_function (
      .clk_i(clk_work_i),
      .clk_source_i(clk_i),
      .rst_i(rst_i),
      .stamp_i(stamp),
      .frame_i(frame),
      .frame_tick_i(frame_tick),
      .frame_locked_i(frame_locked),
      .high_speed_i(high_speed),
      .configured_i(configured),
      .suspended_i(suspended),
      .address_i(address),
      .setup_en_i(setup_en),
      .setup_in_i(setup_in),
      .setup_engine_i(setup_engine),
      .setup_row_i(setup_row),
      .in_engine_i(in_engine),
      .in_open_i(in_open),
      .in_bytes_o(in_bytes),
      .in_has_o(in_has),
      .in_start_i(in_start),
      .in_length_i(in_length),
      .in_data_o(in_data),
      .in_next_i(tx_next && !control),
      .in_next_needed_o(in_next_needed),
      .in_done_i(in_done),
      .in_ok_i(in_ok),
      .out_engine_i(out_engine),
      .out_room_o(out_room),
      .out_overflow_o(out_overflow),
      .out_start_i(out_start),
      .out_valid_i(out_valid),
      .out_data_i(rx_byte),
      .out_end_i(out_end),
      .out_commit_i(out_commit),
      .out_discard_i(out_discard),
      .fault_fetch_i(fault_fetch),
      .fault_in_i(fault_in),
      .fault_engine_i(fault_engine),
      .fault_taken_i(fault_taken),
      .fault_kind_o(fault_kind),
      .fault_argument_o(fault_argument),
      .event_i(event_valid),
      .event_kind_i(event_kind),
      .event_endpoint_i(event_endpoint),
      .event_engine_i(event_engine),
      .event_length_i(event_length),
      .event_pid_i(event_pid),
      .event_status_i(event_status),
      .reg_addr_i(reg_addr),
      .reg_wdata_i(reg_wdata),
      .reg_we_i(reg_we),
      .reg_re_i(reg_re),
      .reg_rdata_o(reg_rdata),
      .log_pop_i(log_pop),
      .log_data_o(log_data),
      .log_empty_o(log_empty),
      .busy_o(function_busy)
  );

  // The nearest deadline. Deadlines lie below 2^31 clocks ahead.
  wire line_first = line_timer && (!frame_timer_runs || (line_deadline - frame_deadline) >= 32'h80000000);
  wire [31:0] nearer = line_first ? line_deadline : frame_deadline;
  wire transaction_first = transaction_timer && (!(line_timer || frame_timer_runs) || (transaction_deadline - nearer) >= 32'h80000000);
  wire [31:0] nearest = transaction_first ? transaction_deadline : nearer;
  wire timer_runs = line_timer || frame_timer_runs || transaction_timer;
  wire [31:0] left = nearest - stamp_q;
  wire due = timer_runs && (left[31] || left == 32'd0);
  localparam [31:0] NEVER = 32'hFFFFFFFF;

  // What clk_work_i's part of the device has to do at the next clock.
  wire at_rest = line_quiet && transaction_quiet && control_quiet && merge_quiet && !function_busy && !frame_event;  // which comes with every frame_tick
  wire work = !at_rest || in_pin_wakeup || rx_start || rx_end || line_changed || tx_done || due;

  assign wake_o = timer_runs ? left : NEVER;
  assign quiet_o = !work && !in_pin_valid && !in_pin_error && rx_quiet && tx_quiet;
  // A byte for the transmitter may come from a memory of that part.
  assign work_o = work || (utmi_tx_valid_o && (control || in_next_needed));

  assign status_high_speed_o = high_speed;
  assign status_configured_o = configured;
  assign status_suspended_o = suspended;
  assign status_frame_o = frame;
endmodule

`default_nettype wire
