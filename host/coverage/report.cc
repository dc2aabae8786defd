#include "coverage/report.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace isochio::coverage {

using Json = nlohmann::ordered_json;

std::string filler(const Bin& hole) { return "isochio explore --aim " + name_of(hole); }

namespace {

std::string title(const Cross& cross) { return fmt::format("{}", fmt::join(cross, " x ")); }

}  // namespace

std::string text(const Summary& summary, std::uint64_t runs, std::size_t most_holes) {
  std::string out;
  for (const auto& [cross, share] : summary.crosses)
    out += fmt::format("{:<48} {:>4} of {:>4}  {:5.1f} %\n", title(cross), share.hit, share.bins, share.percent());
  out += fmt::format("{:<48} {:>4} of {:>4}  {:5.1f} %, by {} runs\n", "all", summary.all.hit, summary.all.bins,
                     summary.all.percent(), runs);
  const auto shown = std::min(most_holes, summary.holes.size());
  if (shown > 0) out += "holes, and what would fill them:\n";
  for (std::size_t i = 0; i < shown; ++i) out += "  " + filler(summary.holes[i]) + "\n";
  if (shown < summary.holes.size() && most_holes > 0)
    out += fmt::format("  and {} more; --holes {} shows all\n", summary.holes.size() - shown, summary.holes.size());
  return out;
}

std::string json(const Summary& summary, std::uint64_t runs) {
  const auto share = [](const Share& s) { return Json{{"bins", s.bins}, {"hit", s.hit}, {"percent", s.percent()}}; };
  Json j{{"runs", runs}, {"all", share(summary.all)}, {"crosses", Json::array()}, {"holes", Json::array()}};
  for (const auto& [cross, s] : summary.crosses) {
    auto one = share(s);
    one["dimensions"] = cross;
    j["crosses"].push_back(std::move(one));
  }
  for (const auto& hole : summary.holes) j["holes"].push_back({{"bin", hole}, {"filled_by", filler(hole)}});
  j["exclusions"] = Json::array();
  for (const auto& one : exclusions()) j["exclusions"].push_back({{"when", one.when}, {"reason", one.reason}});
  return j.dump(2) + "\n";
}

namespace {

constexpr const char* style = R"(:root{color-scheme:light dark}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.05rem;margin:1.6rem 0 .4rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem}
th,td{padding:.15rem .45rem;border:1px solid color-mix(in srgb,currentColor 25%,transparent);text-align:right}
th{font-weight:600;text-align:left}thead th{writing-mode:sideways-lr;text-align:left}
.hit{background:color-mix(in srgb,#2a8f4b 30%,transparent)}.hole{background:color-mix(in srgb,#c0392b 35%,transparent)}
.no{color:color-mix(in srgb,currentColor 40%,transparent)}code{font-size:.9em})";

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '<' ? "&lt;" : c == '&' ? "&amp;" : c == '"' ? "&quot;" : std::string(1, c);
  return out;
}

const Dimension& dimension(const std::string& name) { return *std::ranges::find(dimensions(), name, &Dimension::name); }

std::string cell(const Hits& hits, const Bin& bin) {
  if (const auto* why = excluded(bin)) return fmt::format("<td class=no title=\"{}\">–</td>", escaped(why->reason));
  const auto count = hits.of(bin);
  if (count == 0) return fmt::format("<td class=hole title=\"{}\">0</td>", escaped(filler(bin)));
  return fmt::format("<td class=hit>{}</td>", count);
}

/// Rows are the values of the dimension that has more.
std::string table(const Hits& hits, const Cross& cross) {
  const bool turned = dimension(cross[0]).values.size() < dimension(cross[1]).values.size();
  const auto& rows = dimension(cross[turned ? 1 : 0]);
  const auto& columns = dimension(cross[turned ? 0 : 1]);
  std::string out = "<div class=scroll><table><thead><tr><th>" + rows.name + "</th>";
  for (const auto& column : columns.values) out += "<th>" + column + "</th>";
  out += "</tr></thead><tbody>\n";
  for (const auto& row : rows.values) {
    out += "<tr><th>" + row + "</th>";
    for (const auto& column : columns.values) out += cell(hits, {{rows.name, row}, {columns.name, column}});
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

}  // namespace

std::string html(const Hits& hits, const Summary& summary) {
  std::string out = fmt::format(
      "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n<meta name=viewport content=\"width=device-width, "
      "initial-scale=1\">\n<title>isochio coverage: {0:.1f} %</title>\n<style>{1}</style>\n<h1>{0:.1f} % covered</h1>\n"
      "<p>{2} of {3} bins, by {4} runs. Green: how many streams of runs were there; red: a hole, with what would fill "
      "it "
      "as its title; –: impossible, with the reason as its title.</p>\n",
      summary.all.percent(), style, summary.all.hit, summary.all.bins, hits.runs());
  for (const auto& [cross, share] : summary.crosses) {
    out += fmt::format("<h2>{}: {:.1f} %, {} of {}</h2>\n", title(cross), share.percent(), share.hit, share.bins);
    if (cross.size() == 2) out += table(hits, cross);
  }
  out += "<h2>Holes</h2>\n<ul>\n";
  for (const auto& hole : summary.holes) out += "<li><code>" + escaped(filler(hole)) + "</code>\n";
  return out + "</ul>\n</html>\n";
}

}  // namespace isochio::coverage
