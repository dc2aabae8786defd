// isochio: reads an .iig file; see iig_file.h.
#include <algorithm>
#include <cctype>
#include <optional>
#include <regex>

#include "iig_file.h"

namespace isochio::iig {

namespace {

const char* const plain_attributes[] = {"KERNEL",      "NATIVE",       "LOCAL",        "LOCALONLY",
                                        "REMOTE",      "LOCALHOST",    "REPLY",        "TARGET",
                                        "INVOKEREPLY", "PORTMAKESEND", "PORTCOPYSEND", "SERIALIZABLE"};

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// The text with comments, and with `strings` also the inside of literals, blanked; same length, same lines.
std::string blank(const std::string& text, bool strings) {
  std::string out = text;
  const auto wipe = [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to && i < out.size(); ++i)
      if (out[i] != '\n') out[i] = ' ';
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, 2, "//") == 0) {
      const std::size_t end = std::min(text.find('\n', i), text.size());
      wipe(i, end);
      i = end;
    } else if (text.compare(i, 2, "/*") == 0) {
      const std::size_t close = text.find("*/", i + 2);
      const std::size_t end = close == std::string::npos ? text.size() : close + 2;
      wipe(i, end);
      i = end - 1;
    } else if (text[i] == '"' || (text[i] == '\'' && (i == 0 || !is_word(text[i - 1])))) {
      std::size_t end = i + 1;
      while (end < text.size() && text[end] != text[i]) end += text[end] == '\\' ? 2 : 1;
      if (strings) wipe(i + 1, end);
      i = end;
    }
  }
  return out;
}

int line_of(const std::string& text, std::size_t at) {
  return 1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
}

/// Position of the bracket that closes the one at `open`.
std::optional<std::size_t> closing(std::string_view text, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if (text[i] == '(' || text[i] == '{' || text[i] == '[') ++depth;
    if (text[i] == ')' || text[i] == '}' || text[i] == ']') {
      if (--depth == 0) return i;
    }
  }
  return std::nullopt;
}

std::string trimmed(std::string_view text) {
  const auto* const space = " \t\r\n";
  const std::size_t first = text.find_first_not_of(space);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(space) - first + 1));
}

/// One line, single spaces.
std::string flat(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool space = std::isspace(static_cast<unsigned char>(c)) != 0;
    if (!space) out += c;
    if (space && !out.empty() && out.back() != ' ') out += ' ';
  }
  return trimmed(out);
}

/// Position of a whole word, npos if it is not there.
std::size_t find_word(std::string_view text, std::string_view word, std::size_t from = 0) {
  for (std::size_t at = text.find(word, from); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const bool begins = at == 0 || !is_word(text[at - 1]);
    const bool ends = at + word.size() == text.size() || !is_word(text[at + word.size()]);
    if (begins && ends) return at;
  }
  return std::string_view::npos;
}
bool has_word(std::string_view text, std::string_view word) { return find_word(text, word) != std::string_view::npos; }

/// Takes `NAME(...)` out of `text`; what stood in the brackets, if it was there.
std::optional<std::string> take_call(std::string& text, std::string_view name) {
  const std::size_t at = find_word(text, name);
  if (at == std::string::npos) return std::nullopt;
  const std::size_t open = text.find_first_not_of(" \t\r\n", at + name.size());
  if (open == std::string::npos || text[open] != '(') return std::nullopt;
  const auto close = closing(text, open);
  if (!close) return std::nullopt;
  std::string inside = flat(std::string_view(text).substr(open + 1, *close - open - 1));
  text.erase(at, *close + 1 - at);
  return inside;
}

void drop_attributes(std::string& text) {
  for (const char* attribute : plain_attributes)
    for (std::size_t at = find_word(text, attribute); at != std::string::npos; at = find_word(text, attribute))
      text.erase(at, std::string_view(attribute).size());
  while (take_call(text, "TYPE")) {
  }
  while (take_call(text, "QUEUENAME")) {
  }
  while (take_call(text, "EXTENDS")) {
  }
}

std::vector<std::string> split_arguments(const std::string& arguments) {
  std::vector<std::string> parts;
  int depth = 0;
  std::string part;
  for (const char c : arguments) {
    if (c == '(' || c == '[' || c == '<' || c == '{') ++depth;
    if (c == ')' || c == ']' || c == '>' || c == '}') --depth;
    if (c == ',' && depth == 0) {
      parts.push_back(flat(part));
      part.clear();
    } else {
      part += c;
    }
  }
  if (!flat(part).empty() && flat(part) != "void") parts.push_back(flat(part));
  return parts;
}

/// The parameter's name, given one if it has none.
std::string name_argument(std::string& argument, std::size_t index) {
  static const char* const types[] = {"int", "bool", "char", "short", "long", "float", "double", "unsigned", "signed"};
  const std::size_t array = argument.find('[');
  const std::string head = trimmed(argument.substr(0, array));
  std::size_t begin = head.size();
  while (begin > 0 && is_word(head[begin - 1])) --begin;
  std::string word = head.substr(begin);
  const std::string before = trimmed(head.substr(0, begin));
  const bool is_type = std::find(std::begin(types), std::end(types), word) != std::end(types);
  const bool only_qualified =
      before.empty() || before == "const" || before == "struct" || before == "class" || before.ends_with("::");
  if (!word.empty() && !is_type && !only_qualified) return word;
  std::string name = "argument" + std::to_string(index);
  argument = head + " " + name + (array == std::string::npos ? "" : argument.substr(array));
  return name;
}

/// Reads a method with result, name and arguments; false if the statement is something else.
bool read_method(const std::string& statement, Member& member, std::string& behind) {
  const std::size_t open = statement.find('(');
  if (open == std::string::npos) return false;
  const auto close = closing(statement, open);
  if (!close) return false;
  std::size_t end = open;
  while (end > 0 && std::isspace(static_cast<unsigned char>(statement[end - 1])) != 0) --end;
  std::size_t begin = end;
  while (begin > 0 && is_word(statement[begin - 1])) --begin;
  member.name = statement.substr(begin, end - begin);
  std::string result = statement.substr(0, begin);
  for (const char* word : {"virtual", "inline"})
    if (const std::size_t at = find_word(result, word); at != std::string::npos)
      result.erase(at, std::string_view(word).size());
  member.result = flat(result);
  if (member.name.empty() || member.result.empty()) return false;
  std::string arguments = statement.substr(open + 1, *close - open - 1);
  drop_attributes(arguments);
  for (std::string& argument : split_arguments(arguments)) {
    member.argument_names.push_back(name_argument(argument, member.argument_names.size()));
    member.arguments.append(member.arguments.empty() ? "" : ", ").append(argument);
  }
  behind = statement.substr(*close + 1);
  return true;
}

struct Place {
  const std::string& file;
  int line;
  tl::unexpected<Error> error(const std::string& message) const { return tl::unexpected(Error{file, line, message}); }
};

tl::expected<Member, Error> classify(const ClassFile& owner, const std::string& access, const std::string& statement,
                                     const Place& place) {
  Member member;
  member.access = access;
  const std::size_t body = statement.find('{');
  const std::string declaration = statement.substr(0, body);
  std::string behind;
  const bool is_method = read_method(declaration, member, behind);
  const auto type = is_method ? take_call(behind, "TYPE") : std::nullopt;
  const auto queue = is_method ? take_call(behind, "QUEUENAME") : std::nullopt;
  if (queue) member.queue = *queue;
  member.is_const = has_word(behind, "const");

  const bool plain = owner.local_only || !is_method || body != std::string::npos || has_word(behind, "LOCALONLY") ||
                     member.name == "init" || member.name == "free" || has_word(member.result, "static") ||
                     has_word(member.result, "using") || has_word(member.result, "friend") ||
                     has_word(member.result, "typedef") || has_word(member.result, "operator");
  if (plain) {
    if (type)
      return place.error(member.name + ": a LOCALONLY method can't be a completion; take LOCALONLY or TYPE away");
    member.text = statement;
    drop_attributes(member.text);
    member.text = trimmed(member.text);
    return member;
  }
  if (type) {
    member.kind = Kind::completion;
    member.type = type->find("::") == std::string::npos ? owner.name + "::" + *type : *type;
    return member;
  }
  const bool pure = behind.find("= 0") != std::string::npos || behind.find("=0") != std::string::npos;
  if (has_word(behind, "override")) {
    member.kind = Kind::override_;
  } else if (pure && has_word(declaration, "TARGET")) {
    member.kind = Kind::definition;
  } else if (pure) {
    return place.error(member.name +
                       ": a pure virtual method needs a TARGET parameter (it then defines a completion "
                       "type) or LOCALONLY");
  } else {
    member.kind = Kind::method;
  }
  return member;
}

/// `text` without leading access labels; `access` becomes the last of them.
std::string take_labels(std::string text, std::string& access) {
  static const std::regex label(R"(^\s*(public|protected|private)\s*:(?!:))");
  std::smatch found;
  while (std::regex_search(text, found, label)) {
    access = found[1].str() + ":";
    text = found.suffix().str();
  }
  return text;
}

tl::expected<void, Error> read_members(ClassFile& out, const std::string& file, const std::string& text,
                                       const std::string& body, std::size_t offset) {
  std::string access = "private:";
  std::size_t begin = 0;
  int depth = 0;
  for (std::size_t i = 0; i < body.size(); ++i) {
    const char c = body[i];
    if (c == '#' && depth == 0 && trimmed(std::string_view(body).substr(begin, i - begin)).empty()) {
      const std::size_t end = std::min(body.find('\n', i), body.size());
      Member directive;
      directive.access = access;
      directive.text.append(1, '\n').append(body, i, end - i);
      out.members.push_back(std::move(directive));
      i = end;
      begin = end;
      continue;
    }
    if (c == '(' || c == '{' || c == '[') ++depth;
    if (c == ')' || c == '}' || c == ']') --depth;
    if (depth != 0 || (c != ';' && c != '}')) continue;
    const std::size_t next = c == '}' ? body.find_first_not_of(" \t\r\n", i + 1) : std::string::npos;
    if (next != std::string::npos && body[next] == ';') continue;  // the end of a nested type or initialiser
    const std::string statement = trimmed(take_labels(body.substr(begin, i + 1 - begin), access));
    const int line = line_of(text, offset + begin + (body.substr(begin).find_first_not_of(" \t\r\n")));
    begin = i + 1;
    if (statement.empty() || statement == ";") continue;
    auto member = classify(out, access, statement, {file, line});
    if (!member) return tl::unexpected(member.error());
    const bool pure = member->text.find("= 0") != std::string::npos || member->text.find("=0") != std::string::npos;
    out.is_abstract |= member->kind == Kind::plain && pure && has_word(member->text, "virtual");
    out.members.push_back(std::move(*member));
  }
  take_labels(body.substr(begin), access);
  return {};
}

std::string includes_of_headers(const std::string& text) {
  static const std::regex include(R"((#\s*(?:include|import)\s*[<"][^>"\n]+)\.iig([>"]))");
  return std::regex_replace(text, include, "$1.h$2");
}

}  // namespace

tl::expected<ClassFile, Error> parse(const std::string& file, const std::string& text) {
  const std::string code = blank(text, true);
  static const std::regex head(
      R"(\bclass\s+((?:[A-Z]+(?:\s*\([^)]*\))?\s+)*)(\w+)\s*(?:final\s*)?:\s*public\s+([\w:]+)\s*\{)");
  std::smatch found;
  if (!std::regex_search(code, found, head))
    return tl::unexpected(Error{file, 1, "no class with a body; write `class Name: public IOService { … };`"});
  const auto begin = static_cast<std::size_t>(found.position(0));
  const std::size_t open = begin + static_cast<std::size_t>(found.length(0)) - 1;
  const auto close = closing(code, open);
  if (!close) return tl::unexpected(Error{file, line_of(text, open), "the class's `{` is never closed"});
  const std::size_t end = code.find(';', *close);
  if (end == std::string::npos) return tl::unexpected(Error{file, line_of(text, *close), "`;` is missing after `}`"});
  if (const std::string rest = code.substr(end); std::regex_search(rest, head))
    return tl::unexpected(Error{file, line_of(text, end), "a second class; write one class a file"});

  ClassFile out;
  out.name = found[2].str();
  out.base = found[3].str();
  out.local_only = has_word(found[1].str(), "LOCALONLY");
  out.before = includes_of_headers(text.substr(0, begin));
  out.after = includes_of_headers(text.substr(end + 1));
  out.original = text.substr(begin, end + 1 - begin);
  const std::string body = blank(text, false).substr(open + 1, *close - open - 1);
  if (auto members = read_members(out, file, text, body, open + 1); !members) return tl::unexpected(members.error());
  return out;
}

}  // namespace isochio::iig
