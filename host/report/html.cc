// isochio: see html.h.
#include "report/html.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "report/html_parts.h"
#include "report/json_parts.h"

namespace isochio::report {
namespace {

using Json = nlohmann::ordered_json;

/// Text that may stand inside <script>: "</script>" and "<!--" must not come up.
std::string for_script(std::string text) {
  for (std::size_t at = text.find('<'); at != std::string::npos; at = text.find('<', at + 6))
    text.replace(at, 1, "\\u003c");
  return text;
}

std::string for_html(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else {
      out += c;
    }
  }
  return out;
}

template <typename Enum>
Json names(Enum last) {
  Json list = Json::array();
  for (int i = 0; i <= static_cast<int>(last); ++i) {
    using check::to_string;
    using controller::to_string;
    list.push_back(to_string(static_cast<Enum>(i)));
  }
  return list;
}

/// Which values of each dimension were met, and how many bins of how many.
Json covered(const coverage::Hits& hits) {
  const auto summary = coverage::summarize(hits);
  Json j{{"bins", summary.all.bins}, {"hit", summary.all.hit}, {"dimensions", Json::array()}};
  for (const auto& dimension : coverage::dimensions()) {
    Json values = Json::array();
    for (const auto& value : dimension.values)
      values.push_back({{"value", value}, {"met", hits.has(dimension.name, value)}});
    j["dimensions"].push_back({{"name", dimension.name}, {"values", std::move(values)}});
  }
  return j;
}

Json distribution(const Distribution& d) {
  Json j{{"total", d.total()}, {"least", d.least()}, {"greatest", d.greatest()}, {"width", d.width()}};
  j["places"] = Json::array();
  d.for_each([&](std::int64_t first, std::uint64_t count) { j["places"].push_back({first, count}); });
  return j;
}

}  // namespace

tl::expected<std::unique_ptr<HtmlReport>, std::string> HtmlReport::create(const std::string& path,
                                                                          std::uint64_t first_frame) {
  if (html_parts::dygraphs_script.empty())
    return tl::unexpected(path +
                          ": this isochio was built without dygraphs, which draws the report's charts: install it "
                          "(Debian: libjs-dygraphs) and build again");
  auto file = OutputFile::create(path);
  if (!file) return tl::unexpected(file.error());
  return std::unique_ptr<HtmlReport>(new HtmlReport(std::move(*file), first_frame));
}

std::string HtmlReport::meta(const RunResult& result) const {
  Json j;
  j["report"] = json_parts::results(result);
  j["repeat"] = result.repeat_command;
  j["violations"] = Json::array();
  for (const auto& v : violations_) {
    Json one = json_parts::violation(v);
    one["bits"] = v.time.bits;
    j["violations"].push_back(std::move(one));
  }
  j["status_names"] = names(controller::Status::no_resources);
  j["outcome_names"] = names(check::Outcome::stall);
  j["feedback"] = Json::array();
  for (const auto& stream : timeline_.feedback())
    j["feedback"].push_back({{"endpoint", stream.endpoint.value}, {"ideal", stream.ideal}});
  const auto& distributions = timeline_.distributions();
  j["distributions"] = {{"sof_interval", distribution(distributions.sof_interval)},
                        {"response", distribution(distributions.response)},
                        {"latency", distribution(distributions.latency)}};
  j["omitted"] = timeline_.omitted();
  j["coverage"] = covered(result.coverage);
  return for_script(j.dump(-1, ' ', false, Json::error_handler_t::replace));
}

tl::expected<void, std::string> HtmlReport::finish(const RunResult& result) {
  timeline_.finish();
  const auto replace = [](std::string_view text, std::string_view mark, const auto& write) {
    const auto at = text.find(mark);
    write(text.substr(0, at));
    return at == std::string_view::npos ? std::string_view() : text.substr(at + mark.size());
  };
  const auto write = [this](std::string_view text) { file_.write(text); };
  auto rest = replace(html_parts::page, "@title@", write);
  write(for_html(fmt::format("{}: {}", result.scenario, to_string(result.verdict))));
  rest = replace(rest, "@style@", write);
  write(html_parts::dygraphs_style);
  write(html_parts::style);
  rest = replace(rest, "@meta@", write);
  write(meta(result));
  rest = replace(rest, "@columns@", write);
  for (auto* table : timeline_.tables())
    for (auto& [name, column] : table->columns) {
      const auto rows = column.size();
      write(fmt::format("<script type=\"text/plain\" data-column=\"{}.{}\" data-rows=\"{}\">{}</script>\n", table->name,
                        name, rows, column.finish()));
    }
  rest = replace(rest, "@dygraphs@", write);
  write(html_parts::dygraphs_script);
  rest = replace(rest, "@script@", write);
  write(html_parts::script);
  write(rest);
  return file_.finish();
}

}  // namespace isochio::report
