// Values of an `nm.adt` as the arrays in which they cross into a module (docs/abi.md), the same as Python's `Tree.pack` makes.
//
//   using nimble::field, nimble::part;
//   nimble::Trees trees({"Tree", {{"Leaf", {field<float>("x", {2})}}, {"Node", {part("left"), part("right")}}}});
//   auto leaf = [&](float x) { return trees.make("Leaf", {std::vector<float>{x, 1}}); };
//   std::vector<nimble::Tensor> arrays = trees.pack({trees.make("Node", {leaf(1), leaf(2)}), leaf(3)});
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nimble/tensor.hpp"

namespace nimble {

// A field of a constructor: an array of this dtype and shape, or a part, which is a value of the type itself.
struct TreeField {
  std::string name;
  DType dtype;
  Shape shape;
  bool is_part;
};

template <typename T>
TreeField field(std::string name, Shape shape = {}) {
  return {std::move(name), dtype_of<T>(), std::move(shape), false};
}

inline TreeField field(std::string name, DType dtype, Shape shape) { return {std::move(name), dtype, std::move(shape), false}; }

inline TreeField part(std::string name) { return {std::move(name), dtype_of<std::int32_t>(), {}, true}; }

struct TreeConstructor {
  std::string name;
  std::vector<TreeField> fields;
};

// As `nm.adt` declares it in Python: constructors and fields in the order of the declaration.
struct TreeType {
  std::string name;
  std::vector<TreeConstructor> constructors;
};

// A value that `Trees::make` made. It belongs to those trees.
struct TreeNode {
  std::size_t index;
};

// What a field is given: a value, a number, a vector, or an array of any shape. Borrows memory until `make` returns.
class TreeValue {
 public:
  TreeValue(TreeNode node) : node_(node), is_node_(true), view_(nullptr, dtype_of<std::int32_t>(), {0}) {}
  TreeValue(const TensorView& view) : view_(view) {}
  TreeValue(const Tensor& tensor) : view_(tensor.view()) {}
  template <typename T>
  TreeValue(const std::vector<T>& values) : view_(values, {static_cast<std::int64_t>(values.size())}) {}
  TreeValue(const float& number) : view_(&number, 1, {}) {}
  TreeValue(const double& number) : view_(&number, 1, {}) {}
  TreeValue(const std::int32_t& number) : view_(&number, 1, {}) {}
  TreeValue(const std::int64_t& number) : view_(&number, 1, {}) {}

  bool is_node() const { return is_node_; }
  TreeNode node() const { return node_; }
  const TensorView& view() const { return view_; }

 private:
  TreeNode node_{0};
  bool is_node_ = false;
  TensorView view_;
};

// Values of one type, made parts first.
class Trees {
 public:
  explicit Trees(TreeType type) : type_(std::move(type)), counts_(type_.constructors.size()) {
    for (const TreeConstructor& one : type_.constructors) columns_.emplace_back(one.fields.size());
  }

  std::size_t size() const { return nodes_.size(); }

  // The value with these fields, in order. Raises ShapeError, naming constructor and field.
  TreeNode make(std::string_view constructor, std::initializer_list<TreeValue> fields) {
    return make(constructor, std::vector<TreeValue>(fields));
  }

  TreeNode make(std::string_view constructor, const std::vector<TreeValue>& fields) {
    std::size_t kind = number_of(constructor);
    const TreeConstructor& one = type_.constructors[kind];
    if (fields.size() != one.fields.size())
      throw ShapeError(named(kind) + " has the fields (" + listed(one.fields) + "); got " + std::to_string(fields.size()));
    for (std::size_t i = 0; i < fields.size(); ++i) check(fields[i], kind, one.fields[i]);
    if (nodes_.size() >= static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
      throw ShapeError(type_.name + ": more nodes than an int32 counts");
    Node node{kind, counts_[kind]++, 0};
    for (std::size_t i = 0; i < fields.size(); ++i) {
      Column& column = columns_[kind][i];
      if (fields[i].is_node()) {
        column.parts.push_back(fields[i].node().index);
        node.height = std::max(node.height, nodes_[fields[i].node().index].height + 1);
      } else {
        std::size_t begin = column.bytes.size();
        column.bytes.resize(begin + fields[i].view().bytes());
        fields[i].view().copy_to(column.bytes.data() + begin);
      }
    }
    nodes_.push_back(node);
    return {nodes_.size() - 1};
  }

  // The arrays of a batch of values, in the order of the module's arguments. What is below none of them is left out. Raises
  // ShapeError for no values, and for a part that two values share.
  std::vector<Tensor> pack(const std::vector<TreeNode>& roots) const {
    if (roots.empty()) throw ShapeError(type_.name + ".pack: a batch needs at least one value");
    std::vector<std::size_t> order, tree_of;
    below(roots, order, tree_of);
    std::vector<std::size_t> group_of_tree = groups_of(tree_of, roots.size());
    Counts counts(order, tree_of, group_of_tree, *this);
    std::vector<std::int32_t> ids(nodes_.size());
    std::vector<std::size_t> sorted = counts.sorted(order, ids);

    std::vector<std::int32_t> first;
    for (TreeNode root : roots) first.push_back(ids[root.index]);
    std::vector<Tensor> arrays = {Tensor(first, {static_cast<std::int64_t>(first.size())}), counts.blocks(), counts.groups()};
    std::vector<std::vector<std::size_t>> own(type_.constructors.size());
    for (std::size_t node : sorted) own[nodes_[node].kind].push_back(node);
    for (std::size_t kind = 0; kind < own.size(); ++kind)
      for (std::size_t i = 0; i < columns_[kind].size(); ++i)
        arrays.push_back(packed(type_.constructors[kind].fields[i], columns_[kind][i], own[kind], ids));
    for (std::size_t kind = 0; kind < own.size(); ++kind)
      if (columns_[kind].empty()) arrays.push_back(zeros(dtype_of<std::int32_t>(), {static_cast<std::int64_t>(own[kind].size()) + 1}));
    return arrays;
  }

 private:
  // A group is worth a thread of its own with so many nodes, and so many groups are enough for all threads.
  static constexpr std::size_t kGroup = 128, kMostGroups = 64;

  struct Node {
    std::size_t kind, row, height;
  };

  // A field of all nodes of a constructor: the bytes of arrays, or the numbers of parts.
  struct Column {
    std::vector<unsigned char> bytes;
    std::vector<std::size_t> parts;
  };

  // Nodes by level, constructor and group.
  class Counts {
   public:
    Counts(const std::vector<std::size_t>& order, const std::vector<std::size_t>& tree_of,
           const std::vector<std::size_t>& group_of_tree, const Trees& trees)
        : kinds_(trees.type_.constructors.size()), groups_(group_of_tree.back() + 1) {
      for (std::size_t node : order) levels_ = std::max(levels_, trees.nodes_[node].height + 1);
      counts_.resize(levels_ * kinds_ * groups_);
      for (std::size_t i = 0; i < order.size(); ++i) {
        const Node& node = trees.nodes_[order[i]];
        keys_.push_back((node.height * kinds_ + node.kind) * groups_ + group_of_tree[tree_of[i]]);
        ++counts_[keys_.back()];
      }
    }

    // The nodes in the order of their numbers, which are written to `ids`.
    std::vector<std::size_t> sorted(const std::vector<std::size_t>& order, std::vector<std::int32_t>& ids) const {
      std::vector<std::size_t> next(counts_.size()), nodes(order.size());
      for (std::size_t key = 1; key < next.size(); ++key) next[key] = next[key - 1] + counts_[key - 1];
      for (std::size_t i = 0; i < order.size(); ++i) {
        std::size_t id = next[keys_[i]]++;
        ids[order[i]] = static_cast<std::int32_t>(id);
        nodes[id] = order[i];
      }
      return nodes;
    }

    Tensor groups() const {
      Tensor made(dtype_of<std::int32_t>(), {as_size(groups_), as_size(levels_), as_size(kinds_), 3});
      std::vector<std::size_t> rows(kinds_);
      std::size_t first = 0;
      for (std::size_t level = 0; level < levels_; ++level)
        for (std::size_t kind = 0; kind < kinds_; ++kind)
          for (std::size_t group = 0; group < groups_; ++group) {
            std::size_t count = counts_[(level * kinds_ + kind) * groups_ + group];
            write(made, (group * levels_ + level) * kinds_ + kind, first, rows[kind], count);
            first += count;
            rows[kind] += count;
          }
      return made;
    }

    Tensor blocks() const {
      Tensor made(dtype_of<std::int32_t>(), {as_size(levels_), as_size(kinds_), 3});
      std::vector<std::size_t> rows(kinds_);
      std::size_t first = 0;
      for (std::size_t at = 0; at < levels_ * kinds_; ++at) {
        std::size_t count = 0;
        for (std::size_t group = 0; group < groups_; ++group) count += counts_[at * groups_ + group];
        write(made, at, first, rows[at % kinds_], count);
        first += count;
        rows[at % kinds_] += count;
      }
      return made;
    }

   private:
    static std::int64_t as_size(std::size_t count) { return static_cast<std::int64_t>(count); }

    static void write(const Tensor& made, std::size_t at, std::size_t first, std::size_t row, std::size_t count) {
      std::int32_t* entries = made.data<std::int32_t>() + 3 * at;
      entries[0] = static_cast<std::int32_t>(first);
      entries[1] = static_cast<std::int32_t>(row);
      entries[2] = static_cast<std::int32_t>(count);
    }

    std::size_t kinds_, groups_, levels_ = 0;
    std::vector<std::size_t> keys_, counts_;
  };

  std::size_t number_of(std::string_view constructor) const {
    std::string known;
    for (std::size_t kind = 0; kind < type_.constructors.size(); ++kind) {
      if (type_.constructors[kind].name == constructor) return kind;
      known += (kind ? ", " : "") + type_.constructors[kind].name;
    }
    throw ShapeError(type_.name + " has no constructor '" + std::string(constructor) + "'; it has " + known);
  }

  void check(const TreeValue& value, std::size_t kind, const TreeField& field) const {
    std::string where = named(kind) + ": field '" + field.name + "' must be ";
    const TensorView& view = value.view();
    if (field.is_part && !value.is_node()) throw ShapeError(where + "a " + type_.name + ", got " + text(view.dtype, view.shape));
    if (!field.is_part && value.is_node()) throw ShapeError(where + text(field.dtype, field.shape) + ", got a " + type_.name);
    if (value.is_node() && value.node().index >= nodes_.size())
      throw ShapeError(where + "a " + type_.name + " of these trees");
    if (!field.is_part && (view.dtype != field.dtype || view.shape != field.shape))
      throw ShapeError(where + text(field.dtype, field.shape) + ", got " + text(view.dtype, view.shape));
  }

  // All nodes below the roots, each before its parts, and for each the tree that it is of.
  void below(const std::vector<TreeNode>& roots, std::vector<std::size_t>& order, std::vector<std::size_t>& tree_of) const {
    struct Entry {
      std::size_t node, holder;
      const TreeField* field;
    };
    std::vector<bool> seen(nodes_.size());
    std::vector<Entry> open;
    for (std::size_t tree = 0; tree < roots.size(); ++tree) {
      if (roots[tree].index >= nodes_.size()) throw ShapeError(type_.name + ".pack: value " + std::to_string(tree) + " is none of these trees");
      open.push_back({roots[tree].index, 0, nullptr});
      while (!open.empty()) {
        Entry entry = open.back();
        open.pop_back();
        const Node& node = nodes_[entry.node];
        if (seen[entry.node])
          throw ShapeError((entry.field ? "field '" + entry.field->name + "' of " + named(entry.holder)
                                        : "value " + std::to_string(tree) + " of the batch, a " + named(node.kind) + ",") +
                           " is shared: another field holds the same value; make a value of its own for each");
        seen[entry.node] = true;
        order.push_back(entry.node);
        tree_of.push_back(tree);
        const std::vector<TreeField>& fields = type_.constructors[node.kind].fields;
        for (std::size_t i = fields.size(); i-- > 0;)
          if (fields[i].is_part) open.push_back({columns_[node.kind][i].parts[node.row], node.kind, &fields[i]});
      }
    }
  }

  // The group of each tree: trees that follow each other and have about as many nodes together.
  static std::vector<std::size_t> groups_of(const std::vector<std::size_t>& tree_of, std::size_t trees) {
    std::size_t groups = std::max<std::size_t>(1, std::min({kMostGroups, trees, tree_of.size() / kGroup}));
    std::vector<std::size_t> counts(trees), group_of(trees);
    for (std::size_t tree : tree_of) ++counts[tree];
    std::size_t before = 0, number = 0, last = 0;
    for (std::size_t tree = 0; tree < trees; before += counts[tree++]) {
      std::size_t group = before * groups / tree_of.size();
      if (group != last) ++number;  // a group that no tree is in has no number
      last = group;
      group_of[tree] = number;
    }
    return group_of;
  }

  Tensor packed(const TreeField& field, const Column& column, const std::vector<std::size_t>& own,
                const std::vector<std::int32_t>& ids) const {
    Shape shape = field.shape;
    shape.insert(shape.begin(), static_cast<std::int64_t>(own.size()) + 1);
    Tensor made = zeros(field.dtype, shape);
    std::size_t bytes = made.bytes() / (own.size() + 1);
    for (std::size_t i = 0; i < own.size(); ++i) {
      std::size_t row = nodes_[own[i]].row;
      if (field.is_part) made.data<std::int32_t>()[i] = ids[column.parts[row]];
      else if (bytes > 0) std::memcpy(static_cast<unsigned char*>(made.raw()) + i * bytes, column.bytes.data() + row * bytes, bytes);
    }
    return made;
  }

  static Tensor zeros(DType dtype, Shape shape) {
    Tensor made(dtype, std::move(shape));
    if (made.bytes() > 0) std::memset(made.raw(), 0, made.bytes());
    return made;
  }

  std::string named(std::size_t kind) const { return type_.name + "." + type_.constructors[kind].name; }

  static std::string listed(const std::vector<TreeField>& fields) {
    std::string text;
    for (const TreeField& field : fields) text += (text.empty() ? "" : ", ") + field.name;
    return text;
  }

  static std::string text(const DType& dtype, const Shape& shape) {
    std::string sizes;
    for (std::int64_t size : shape) sizes += (sizes.empty() ? "" : ", ") + std::to_string(size);
    return std::string(dtype.name) + "[" + sizes + "]";
  }

  TreeType type_;
  std::vector<std::size_t> counts_;  // of nodes, by constructor
  std::vector<Node> nodes_;
  std::vector<std::vector<Column>> columns_;  // by constructor, by field
};

}  // namespace nimble
